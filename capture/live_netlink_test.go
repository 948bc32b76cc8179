//go:build linux

package capture

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"pcapaudit/capture/flow"
)

// attribute is one of netlink, with its padding.
func attribute(kind uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(netlinkAttribute+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func joined(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// message is one about a connection, of these ends each way.
func message(kind uint16, orig, target, resp, answer string, more ...[]byte) []byte {
	const nested = 1 << 15
	direction := func(kind uint16, src, dst netip.AddrPort) []byte {
		v := uint16(0)
		if src.Addr().Is6() {
			v = ctSource6 - ctSource4
		}
		return attribute(kind|nested, joined(
			attribute(ctTupleIP|nested, joined(attribute(ctSource4+v, src.Addr().AsSlice()...), attribute(ctTarget4+v, dst.Addr().AsSlice()...))...),
			attribute(ctTupleProto|nested, joined(attribute(ctProtoNumber, byte(flow.TCP)), attribute(ctProtoSource, byte(src.Port()>>8), byte(src.Port())),
				attribute(ctProtoTarget, byte(dst.Port()>>8), byte(dst.Port())))...))...)
	}
	end := netip.MustParseAddrPort
	body := joined(append([][]byte{{unix.AF_INET, 0, 0, 0}, direction(ctTupleOrig, end(orig), end(target)), direction(ctTupleReply, end(resp), end(answer))}, more...)...)
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	return append(append(b, make([]byte, 10)...), body...)
}

func TestTrackedOf(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want *tracked
	}{
		{"IPv4", message(conntrackNew, "10.0.0.5:40000", "203.0.113.9:443", "203.0.113.9:443", "198.51.100.1:61000", attribute(3, 0, 0, 1, 0x8e)),
			nat(t, flow.TCP, "10.0.0.5:40000 203.0.113.9:443 203.0.113.9:443 198.51.100.1:61000")},
		{"IPv6", message(conntrackNew, "[fd00::5]:1", "[2001:db8::9]:2", "[2001:db8::9]:2", "[2001:db8::1]:3"),
			nat(t, flow.TCP, "[fd00::5]:1 [2001:db8::9]:2 [2001:db8::9]:2 [2001:db8::1]:3")},
		{"in a zone", message(conntrackNew, "10.0.0.5:1", "10.0.0.6:2", "10.0.0.6:2", "10.0.0.7:3", attribute(ctZone, 0, 7)), nil},
		{"without ends", message(conntrackNew, "10.0.0.5:1", "10.0.0.6:2", "10.0.0.6:2", "10.0.0.7:3")[:unix.NLMSG_HDRLEN+4], nil},
	} {
		binary.NativeEndian.PutUint32(c.b, uint32(len(c.b)))
		err := eachMessage(c.b, func(kind uint16, body []byte) error {
			k, ok := trackedOf(body)
			if kind != conntrackNew || ok != (c.want != nil) || ok && k != *c.want {
				t.Errorf("%s: %+v, %v", c.name, k, ok)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzNetlink: whatever the bytes are, what is read lies within them, and what was told can be forgotten again.
func FuzzNetlink(f *testing.F) {
	one := message(conntrackNew, "10.0.0.5:40000", "203.0.113.9:443", "203.0.113.9:443", "198.51.100.1:61000")
	f.Add(joined(one, message(conntrackDelete, "10.0.0.5:40000", "203.0.113.9:443", "203.0.113.9:443", "198.51.100.1:61000")))
	f.Add(one[:40])
	news := binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint32(nil, 44), unix.RTM_NEWLINK)
	f.Add(joined(news, make([]byte, 26), attribute(unix.IFLA_IFNAME, []byte("eth0\x00")...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr := newTranslations()
		links := &linkWatch{known: map[int]link{}}
		_ = eachMessage(b, func(kind uint16, body []byte) error {
			if e, ok := linkEventOf(kind, body); ok {
				links.learn(e)
			}
			if k, ok := trackedOf(body); ok && kind == conntrackNew {
				tr.began(&k, second)
			} else if ok {
				tr.finished(&k, second)
			}
			return nil
		})
		tr.sweep(2 * second)
		tr.dump.number += 2
		tr.sweep(2 * second)
		tr.expire(2*second + keptTranslation + 1)
		if len(tr.byEnds) != 0 {
			t.Errorf("%d ends are still known", len(tr.byEnds))
		}
	})
}
