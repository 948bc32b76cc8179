//go:build linux

package capture

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// askKernel sends a request for all that there is of something (RFC 3549, section 2.3.2.2), with a body of zeros: of any kind.
func askKernel(fd int, kind uint16, body int) error {
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+body))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	return unix.Sendto(fd, append(b, make([]byte, unix.NLMSG_HDRLEN+body-len(b))...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// receiveKernel reads messages; those of other programs are passed over.
func receiveKernel(fd int, b []byte) (int, error) {
	for {
		n, from, err := unix.Recvfrom(fd, b, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if sender, ok := from.(*unix.SockaddrNetlink); ok && sender.Pid == 0 {
			return n, nil
		}
	}
}

// eachMessage reads netlink messages (RFC 3549, section 2.3.2), with their body.
func eachMessage(b []byte, take func(kind uint16, body []byte) error) error {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return errors.New("a message ends beyond what was read")
		}
		if err := take(binary.NativeEndian.Uint16(b[4:]), b[unix.NLMSG_HDRLEN:size]); err != nil {
			return err
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return nil
}

const (
	netlinkAttribute = 4      // size of its header
	netlinkType      = 0x3fff // of its type, without the flags
)

// nextAttribute reads the first attribute of b; ok is false where there is none.
func nextAttribute(b []byte) (kind uint16, value, rest []byte, ok bool) {
	if len(b) < netlinkAttribute {
		return 0, nil, nil, false
	}
	size := int(binary.NativeEndian.Uint16(b))
	if size < netlinkAttribute || size > len(b) {
		return 0, nil, nil, false
	}
	return binary.NativeEndian.Uint16(b[2:]) & netlinkType, b[netlinkAttribute:size], b[min((size+3)&^3, len(b)):], true
}

// messageError is what a message of the type NLMSG_ERROR says.
func messageError(body []byte) error {
	if len(body) < 4 {
		return errors.New("a message is too short")
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
}
