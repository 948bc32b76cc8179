//go:build linux

package capture

import (
	"bytes"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestStamps tells packets stamped before a step of the clock from those stamped after it.
func TestStamps(t *testing.T) {
	const second, hour = int64(1e9), 3600 * int64(1e9)
	now := 500_000 * second
	for _, c := range []struct {
		name              string
		skew, step, stamp int64
		want              int64
	}{
		{"no step", 0, 0, now - 2*hour, now - 2*hour},
		{"another clock", hour, 0, now - hour, now},
		{"forward, stamped before", 0, hour, now - hour - second, now - second},
		{"forward, stamped after", 0, hour, now - second, now - second},
		{"back, stamped before", 0, -hour, now + hour - second, now - second},
		{"back, stamped after", 0, -hour, now, now},
		{"a short one", 0, 2 * second, now - 2*second, now},
	} {
		s := stamps{wall: now, skew: c.skew, step: c.step}
		if got := s.of(uint32(c.stamp/second), uint32(c.stamp%second)); got != c.want {
			t.Errorf("%s: %d s, not %d", c.name, got/second, c.want/second)
		}
	}
}

// TestCook puts a link header in front of frames that come without one, in the room that the kernel leaves.
func TestCook(t *testing.T) {
	payload := []byte{0x45, 1, 2, 3}
	address := []byte{17, 0, 8, 0, 9, 0, 0, 0, 0xfe, 0xff, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0} // AF_PACKET, IPv4, interface 9, ARPHRD_NONE, outgoing
	front := []byte{0, 4, 0xff, 0xfe, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0}
	for _, c := range []struct {
		name   string
		status uint32
		want   []byte
	}{
		{"untagged", 0, append(bytes.Clone(front), append([]byte{8, 0}, payload...)...)},
		{"tagged", unix.TP_STATUS_VLAN_VALID, append(bytes.Clone(front), append([]byte{0x81, 0, 0x60, 7, 8, 0}, payload...)...)},
		{"with its TPID", unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID, append(bytes.Clone(front), append([]byte{0x88, 0xa8, 0x60, 7, 8, 0}, payload...)...)},
	} {
		const at = 128 // of the frame's header
		r := &ring{open: make([]byte, ringBlock), left: 1, next: at, cooked: true}
		h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&r.open[at]))
		*h = unix.Tpacket3Hdr{Snaplen: 4, Len: 1000, Status: c.status, Mac: 100, Hv1: unix.TpacketHdrVariant1{Vlan_tci: 3<<13 | 7, Vlan_tpid: 0x88a8}}
		copy(r.open[at+frameHeader:], address)
		copy(r.open[at+100:], payload)
		var b recordBatch
		r.hand(&b, 0, &stamps{})
		if rec := &b.recs[0]; b.n != 1 || !bytes.Equal(rec.data, c.want) || int(rec.wire) != 1000+len(c.want)-len(payload) || !rec.outgoing {
			t.Errorf("%s: %d bytes of %d, %x", c.name, len(rec.data), rec.wire, rec.data)
		}
	}
}
