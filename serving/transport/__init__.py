"""What carries calls: listening, connections, streams and their ends."""
