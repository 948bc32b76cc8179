//go:build linux

package capture

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// ringRemainder is how long, in ns, the rest of a ring may take to become visible, which takes ringDelay.
const ringRemainder = 2_000_000_000

// rings hands out the packets of several rings in the order of their time stamps.
type rings struct {
	list []*ring
	stamps
	fds []unix.PollFd
}

// stamps turns the kernel's time stamps into packet times.
type stamps struct {
	wall int64 // at present
	skew int64 // ns that the configured clock is ahead of the machine's
	step int64 // ns by which the clock was set just now, 0: it was not. What was stamped before is told by being far from the present
}

func (s *stamps) of(sec, nsec uint32) int64 {
	t := int64(sec)*1e9 + int64(nsec) + s.skew
	if s.step != 0 {
		if moved := t + s.step; max(moved-s.wall, s.wall-moved) < max(t-s.wall, s.wall-t) {
			return moved
		}
	}
	return t
}

// fill takes the next packets that are there; none where it is too early for the first one. The bytes of those before are not valid any more.
func (m *rings) fill(b *recordBatch) {
	b.n = 0
	for _, r := range m.list {
		r.take(&m.stamps)
	}
	for b.n < len(b.recs) {
		first, limit := m.earliest()
		if first == nil {
			return
		}
		first.hand(b, limit, &m.stamps)
		if first.left == 0 { // its block is given back with the next call
			return
		}
	}
}

// earliest is the ring whose packet comes next, and the time up to which its packets come before all others. While nothing is visible of another
// ring, a packet waits until nothing older can come from there, unless its own ring fills up, or its time shows that the clock was set.
func (m *rings) earliest() (first *ring, limit int64) {
	all := true
	for _, r := range m.list {
		if r.left == 0 {
			all = false
		} else if first == nil || r.time < first.time {
			first = r
		}
	}
	if first == nil {
		return nil, 0
	}
	limit = math.MaxInt64
	for _, r := range m.list {
		if r != first && r.left > 0 {
			limit = min(limit, r.time)
		}
	}
	if all || first.time > m.wall+ringDelay || first.crowded() {
		return first, limit
	}
	if settled := m.wall - ringDelay; first.time <= settled {
		return first, min(limit, settled)
	}
	return nil, 0
}

// waits says whether packets are there for which it is too early.
func (m *rings) waits() bool {
	for _, r := range m.list {
		if r.left > 0 {
			return true
		}
	}
	return false
}

// wait sleeps until a ring of which nothing is at hand, or extra, has something, or for that many ms. It says whether extra has.
func (m *rings) wait(extra, ms int) (bool, error) {
	m.fds = append(m.fds[:0], unix.PollFd{Fd: int32(extra), Events: unix.POLLIN})
	for _, r := range m.list {
		if r.left == 0 {
			m.fds = append(m.fds, unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN})
		}
	}
	_, err := unix.Poll(m.fds, ms)
	if err != nil && err != unix.EINTR {
		return false, fmt.Errorf("waiting for packets: %w", err)
	}
	for _, f := range m.fds[1:] {
		if f.Revents&unix.POLLERR != 0 { // the interface went down, which is told otherwise too; once read, the socket goes on
			unix.GetsockoptInt(int(f.Fd), unix.SOL_SOCKET, unix.SO_ERROR)
		}
	}
	return err == nil && m.fds[0].Revents != 0, nil
}

// count reads the counters of all rings.
func (m *rings) count() error {
	for _, r := range m.list {
		if _, err := r.count(); err != nil {
			return &LiveError{r.of.name, err}
		}
	}
	return nil
}

// unbound says whether the interface of open rings is gone: the kernel takes its number from a socket then.
func (m *rings) unbound(of *watched) bool {
	for _, r := range m.list {
		if r.of != of || r.closing != 0 {
			continue
		}
		if a, err := unix.Getsockname(r.fd); err == nil && a.(*unix.SockaddrLinklayer).Ifindex != of.index {
			return true
		}
	}
	return false
}

// retire lets nothing more into the rings of an interface. What is in them is still handed out.
func (m *rings) retire(of *watched, mono int64) error {
	for _, r := range m.list {
		if r.of != of || r.closing != 0 {
			continue
		}
		if err := r.refuse(); err != nil {
			return &LiveError{of.name, err}
		}
		r.closing = mono + ringRemainder
	}
	return nil
}

// drop closes the retired rings of which all was handed out.
func (m *rings) drop(mono int64) {
	kept := m.list[:0]
	for _, r := range m.list {
		if r.closing == 0 || !r.empty() && (r.ready() || mono < r.closing) {
			kept = append(kept, r)
		} else {
			r.close()
		}
	}
	clear(m.list[len(kept):])
	m.list = kept
}

func (m *rings) close() {
	for _, r := range m.list {
		r.close()
	}
	m.list = nil
}
