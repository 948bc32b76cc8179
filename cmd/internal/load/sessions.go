package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"pcapaudit/classify"
	"pcapaudit/cmd/internal/netns"
)

// talk has all sessions run for that time: each opens a connection from an address of its own to a port of its own, says something now and then, and
// closes it. They begin and end one after the other, in the first and the last quarter of the time.
func (l *lab) talk(ctx context.Context, d time.Duration) error {
	for i := range sessions {
		if err := ip("-n " + l.sending + " addr add " + sessionAddress(i) + "/16 dev " + near); err != nil {
			return err
		}
	}
	var listeners []net.Listener
	defer func() {
		for _, ln := range listeners {
			ln.Close()
		}
	}()
	err := netns.In(l.watching, func() error {
		for i := range sessions {
			ln, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", sessionServer, sessionPort+i))
			if err != nil {
				return fmt.Errorf("listen for session %d: %w", i, err)
			}
			listeners = append(listeners, ln)
			go echo(ln)
		}
		return nil
	})
	if err != nil {
		return err
	}
	failed := make(chan error, sessions)
	for i := range sessions {
		go func() {
			pause(ctx, d/4*time.Duration(i)/sessions)
			failed <- l.session(ctx, i, d*3/4)
		}()
	}
	for range sessions {
		err = errors.Join(err, <-failed)
	}
	return err
}

// echo answers one connection.
func echo(ln net.Listener) {
	c, err := ln.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	io.Copy(c, c)
}

// session is the originator's part.
func (l *lab) session(ctx context.Context, i int, d time.Duration) error {
	var c net.Conn
	err := netns.In(l.sending, func() (err error) {
		dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: -1, LocalAddr: &net.TCPAddr{IP: net.ParseIP(sessionAddress(i))}}
		c, err = dialer.DialContext(ctx, "tcp4", fmt.Sprintf("%s:%d", sessionServer, sessionPort+i))
		return err
	})
	if err != nil {
		return fmt.Errorf("session %d: %w", i, err)
	}
	defer c.Close()
	b := make([]byte, 64)
	for end := time.Now().Add(d); ctx.Err() == nil && time.Now().Before(end); pause(ctx, d/20) {
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write(b); err != nil {
			return fmt.Errorf("session %d: %w", i, err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return fmt.Errorf("session %d: %w", i, err)
		}
	}
	return ctx.Err()
}

// misjudged names the sessions that a report does not judge right. Where packets were lost, the handshake of one may be among them: then it counts
// once or more, and how it began is not asked.
func misjudged(a *classify.Audit, lossless bool) (faults []string) {
	flows := map[string]classify.FlowTotal{}
	for _, f := range a.Flows {
		flows[f.Flow] = f
	}
	found := map[string]*classify.Finding{}
	for i := range a.Findings {
		if f := &a.Findings[i]; f.Kind == "connection" && f.Resp.Host == "server" && f.Orig.Host != "" {
			found[f.Orig.Host+" "+f.Service] = f
		}
	}
	for i := range sessions {
		name, service := sessionHost(i), fmt.Sprintf("tcp/%d", sessionPort+i)
		f := found[name+" "+service]
		total := flows["load/"+sessionFlow(i)].Connections
		switch {
		case i < documented && (total == 0 || f != nil || lossless && total != 1):
			faults = append(faults, fmt.Sprintf("%s, documented: %d connections of its flow, finding: %v", name, total, f != nil))
		case i >= documented && f == nil:
			faults = append(faults, fmt.Sprintf("%s, undocumented: no finding for %s", name, service))
		case i >= documented && (f.Verdict != "unexpected" || lossless && (f.Connections != 1 || f.Outcomes[0].Outcome != "established")):
			faults = append(faults, fmt.Sprintf("%s, undocumented: %s, %d connections %v", name, f.Verdict, f.Connections, f.Outcomes))
		}
	}
	return faults
}
