"""XML signatures (XMLDSig): enveloped over a whole document, or detached over a file. signxml verifies, lxml reads."""
