"""Runs a command without any network but its own loopback: `unshare --net python3 offline.py COMMAND...`."""
import fcntl, os, socket, struct, sys

GET_FLAGS, SET_FLAGS, UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    # struct ifreq: 16 bytes of name, then the flags.
    name, flags = struct.unpack("16sh14x", fcntl.ioctl(control, GET_FLAGS, struct.pack("16sh14x", b"lo", 0)))
    fcntl.ioctl(control, SET_FLAGS, struct.pack("16sh14x", name, flags | UP))
os.execvp(sys.argv[1], sys.argv[1:])
