"""Work spread over cores and machines: process pools, Ray Data, shards, journals."""
