"""The endpoints, one file each: the request's fields in, the answer's body out."""
