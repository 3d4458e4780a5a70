"""Signatures in PDF files (ISO 32000, PAdES): pyHanko reads and writes the file, keys and trust are ours."""
