"""Tokens behind a library of GM/T 0016: a vendor's, or our own `libmiyun_skf.so` (native/skf), which lies here."""
