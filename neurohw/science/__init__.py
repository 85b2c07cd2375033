"""The figures of three texts, run again: what each sentence claims, and the number that we find."""
