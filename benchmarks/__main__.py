"""Compares Plainserve with other servers and writes the result into docs/performance.md."""

from benchmarks.command import main

if __name__ == "__main__":
    main()
