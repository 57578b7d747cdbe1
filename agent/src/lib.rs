//! The node's loop: a client of the API.
