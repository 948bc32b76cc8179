package netns

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// offloads are the commands of linux/ethtool.h that switch one.
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

// OffloadsOff switches the checksum and segmentation offloads of a device of the thread's namespace off. One that the driver does not know is left.
func OffloadsOff(dev string) error {
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
