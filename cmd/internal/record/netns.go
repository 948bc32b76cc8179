package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inSpace runs f on a thread that is in the named namespace: sockets that f opens belong to it, also after f has returned.
// The thread is not used again.
func inSpace(name string, f func() error) error {
	ns, err := os.Open("/run/netns/" + name)
	if err != nil {
		return fmt.Errorf("open namespace: %w", err)
	}
	defer ns.Close()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread with the goroutine
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter namespace %s: %w", name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// sysctl sets "net/PATH=VALUE" in the namespace of the calling thread.
func sysctl(kv string) error {
	key, value, _ := strings.Cut(kv, "=")
	if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0); err != nil {
		return fmt.Errorf("set %s: %w", kv, err)
	}
	return nil
}

// ethtool commands of linux/ethtool.h that switch an offload.
var offloads = []uint32{
	0x15, // ETHTOOL_SRXCSUM
	0x17, // ETHTOOL_STXCSUM
	0x1f, // ETHTOOL_STSO
	0x24, // ETHTOOL_SGSO
	0x2c, // ETHTOOL_SGRO
}

type ethtoolValue struct{ cmd, data uint32 }

type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	pad  [16]byte
}

// offloadsOff switches the offloads of a device of the thread's namespace off. One that the driver does not know is left.
func offloadsOff(dev string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("open control socket: %w", err)
	}
	defer unix.Close(fd)
	for _, cmd := range offloads {
		v := ethtoolValue{cmd: cmd}
		r := ifreqData{data: unsafe.Pointer(&v)}
		copy(r.name[:], dev)
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r)))
		if e != 0 && e != unix.EOPNOTSUPP && e != unix.EINVAL {
			return fmt.Errorf("switch offload %#x of %s off: %w", cmd, dev, e)
		}
	}
	return nil
}
