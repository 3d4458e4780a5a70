"""Who logged in, who did not and why, who is logged in now: lists that sort, page and can be taken away."""
