"""What the API's objects say: pure, and read with care."""
