"""What is remembered, and what follows from it: episodes, facts, and the work behind both."""
