"""What bytes mean: DER, names, X.509, CRL, PKCS#10, CMS (RFC 5652 and GB/T 35275), timestamps (RFC 3161).

Sans-IO: functions from bytes to typed values and back. No socket, clock, random number or database; signatures are made
elsewhere, so every builder works in two steps: encode what is to be signed, then assemble with the signature.
Decoders raise `miyun.wire.errors.DecodeError`, encoders `EncodeError`, verification `miyun.gm.errors.InvalidSignature`.
"""
