"""The TLS listener: a process that alone holds the listener's private key and passes bytes to the web workers."""
