package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"pcapaudit/cmd/internal/netns"
)

// The two ends of the pair. What is sent at near is watched at far.
const (
	near, far       = "near0", "far0"
	nearMAC, farMAC = "02:00:5e:20:00:01", "02:00:5e:20:00:02"
)

// lab is two namespaces, joined by the pair and by nothing to the machine's own network.
type lab struct {
	sending, watching string // namespaces
	dir               string // scratch directory
	program           string // pcapaudit
	made              []string
}

func newLab(program string) (l *lab, err error) {
	base := fmt.Sprintf("pcapload%d", os.Getpid())
	l = &lab{sending: base + "a", watching: base + "b", program: program}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if _, err = os.Stat(program); err != nil {
		return l, fmt.Errorf("find pcapaudit: %w; name it with -pcapaudit", err)
	}
	if l.dir, err = os.MkdirTemp("", "pcapload"); err != nil {
		return l, fmt.Errorf("make scratch directory: %w", err)
	}
	for _, space := range []string{l.sending, l.watching} {
		if err = netns.Add(space); err != nil {
			return l, err
		}
		l.made = append(l.made, space)
	}
	for _, command := range []string{
		"-n " + l.sending + " link add " + near + " address " + nearMAC + " type veth peer name " + far + " address " + farMAC + " netns " + l.watching,
		"-n " + l.sending + " link set " + near + " up",
		"-n " + l.watching + " link set " + far + " up",
		"-n " + l.watching + " addr add " + sessionServer + "/16 dev " + far,
	} {
		if err = ip(command); err != nil {
			return l, err
		}
	}
	if err = netns.In(l.sending, func() error { return netns.OffloadsOff(near) }); err != nil {
		return l, err
	}
	if err = netns.In(l.watching, func() error { return netns.OffloadsOff(far) }); err != nil {
		return l, err
	}
	return l, writeRules(l.dir)
}

func (l *lab) close() (err error) {
	for _, space := range l.made {
		err = errors.Join(err, netns.Drop(space))
	}
	if l.dir != "" {
		err = errors.Join(err, os.RemoveAll(l.dir))
	}
	return err
}

// in is a file of the scratch directory.
func (l *lab) in(name string) string { return l.dir + "/" + name }

func ip(command string) error {
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", command, err, bytes.TrimSpace(out))
	}
	return nil
}

// sockets is the number of packet sockets in the namespace that take packets.
func (l *lab) sockets() (n int, err error) {
	err = netns.In(l.watching, func() error {
		text, err := os.ReadFile("/proc/thread-self/net/packet")
		if err != nil {
			return fmt.Errorf("list packet sockets: %w", err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if fields := strings.Fields(line); len(fields) > 5 && fields[5] == "1" && fields[4] != "0" {
				n++
			}
		}
		return nil
	})
	return n, err
}

// watch starts a program that watches far, and waits until it does.
func (l *lab) watch(ctx context.Context, args ...string) (*process, error) {
	p, err := start(l.watching, l.dir, args)
	if err != nil {
		return nil, err
	}
	for range 100 {
		n, err := l.sockets()
		if err != nil {
			return p, errors.Join(err, p.kill())
		}
		if n > 0 {
			pause(ctx, settle)
			return p, ctx.Err()
		}
		if pause(ctx, 50*time.Millisecond); ctx.Err() != nil || p.ended() {
			break
		}
	}
	p.kill()
	return p, fmt.Errorf("%s watches nothing: %s", args[0], p.said())
}

// settle is between the first packet socket of a program and the first packet: it may still be preparing.
const settle = 400 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
