//! Images: built, compared, sent.
