"""What follows from a text by rules alone: who is in it, and what it says of them."""
