"""Memory: what runs leave behind for the next ones. Nothing lives here yet."""
