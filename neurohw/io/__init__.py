"""Other people's files: read without trusting them, written so that they are read elsewhere."""
