"""What is kept up to date by watches, and what is told from it."""
