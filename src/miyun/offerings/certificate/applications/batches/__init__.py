"""Many applications handed in together: one review sees all of them, each row gets its own verdict and certificate."""
