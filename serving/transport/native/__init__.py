"""The native front end: HTTP/2 by nghttp2, in C++, on the event loop of the process."""
