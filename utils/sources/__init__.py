"""One file per kind of corpus; each turns what a person has into manifests."""
