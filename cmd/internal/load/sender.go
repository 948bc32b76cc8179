package main

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"pcapaudit/cmd/internal/netns"
)

// batch is how many packets one system call sends.
const batch = 64

// message is struct mmsghdr.
type message struct {
	head   unix.Msghdr
	length uint32
	_      [4]byte
}

// sender sends at near through a packet socket.
type sender struct {
	fd       int
	traffic  traffic
	heads    [batch][maxHead]byte
	parts    [batch][2]unix.Iovec
	messages [batch]message
	payload  [maxPayload]byte
	next     uint64 // number of the next packet
}

// sent is what a sender did.
type sent struct {
	packets, refused uint64 // refused: by the system, while the interface was down
	elapsed, cpu     time.Duration
}

// rate is in packets per second.
func (s sent) rate() float64 { return float64(s.packets) / s.elapsed.Seconds() }

func (l *lab) newSender(t traffic) (*sender, error) {
	s := &sender{fd: -1, traffic: t}
	return s, netns.In(l.sending, func() error {
		at, err := net.InterfaceByName(near)
		if err != nil {
			return fmt.Errorf("find %s: %w", near, err)
		}
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil { // protocol 0: it receives nothing
			return fmt.Errorf("open packet socket: %w", err)
		}
		if err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: at.Index}); err != nil {
			return fmt.Errorf("bind to %s: %w", near, err)
		}
		return unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	})
}

func (s *sender) close() { unix.Close(s.fd) }

// send sends for that time at so many packets per second, 0 is as many as possible, or until limit packets are sent, 0 is no limit. Time that was
// lost is made up for, up to a tenth of a second.
func (s *sender) send(ctx context.Context, rate int, d time.Duration, limit uint64) (done sent, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, after unix.Rusage
	unix.Getrusage(unix.RUSAGE_THREAD, &before)
	begun := time.Now()
	lost := uint64(0) // packets whose time passed and that are not made up for
	for ctx.Err() == nil {
		done.elapsed = time.Since(begun)
		if done.elapsed >= d || limit > 0 && done.packets >= limit {
			break
		}
		tried := done.packets + done.refused + lost
		due := tried + batch
		if rate > 0 {
			due = uint64(done.elapsed.Seconds() * float64(rate))
			if slack := uint64(rate/10 + batch); due > tried+slack {
				lost += due - tried - slack
				tried = due - slack
			}
		}
		if limit > 0 {
			due = min(due, tried+limit-done.packets)
		}
		if due <= tried {
			time.Sleep(200 * time.Microsecond)
			continue
		}
		n := int(min(due-tried, batch))
		ok, err := s.transmit(n)
		if err != nil {
			return done, err
		}
		done.packets += uint64(ok)
		done.refused += uint64(n - ok)
		if ok < n {
			time.Sleep(time.Millisecond)
		}
	}
	done.elapsed = time.Since(begun)
	unix.Getrusage(unix.RUSAGE_THREAD, &after)
	done.cpu = time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	return done, nil
}

// transmit sends n packets at once, and says how many were taken.
func (s *sender) transmit(n int) (int, error) {
	for i := range n {
		length, payload := s.traffic(s.next+uint64(i), s.heads[i][:])
		s.parts[i][0].Base, s.parts[i][1].Base = &s.heads[i][0], &s.payload[0]
		s.parts[i][0].SetLen(length)
		s.parts[i][1].SetLen(payload)
		s.messages[i].head.Iov = &s.parts[i][0]
		s.messages[i].head.SetIovlen(2)
	}
	r, _, e := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.messages[0])), uintptr(n), 0, 0, 0)
	switch e {
	case 0:
		s.next += uint64(r)
		return int(r), nil
	case unix.ENETDOWN, unix.ENOBUFS, unix.EINTR, unix.ENXIO, unix.EAGAIN:
		return 0, nil
	}
	return 0, fmt.Errorf("send: %w", e)
}
