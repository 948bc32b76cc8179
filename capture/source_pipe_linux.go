package capture

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// pipeSize is what a pipe is made to hold: with the 64 KiB that it has, reader and writer wait for each other in turn.
const pipeSize = 1 << 20

// widen lets a pipe hold more, if src is one.
func widen(src io.Reader) {
	f, ok := src.(*os.File)
	if !ok {
		return
	}
	if raw, err := f.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) }) // a file or a socket refuses it
	}
}
