package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// flooded is what alerts may be in all: those of the sessions, and some that stand for millions.
const flooded = sessions + 100

func flood(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	program := flags.String("pcapaudit", "pcapaudit", "the program, built beforehand")
	packets := flags.Uint64("packets", 10_000_000, "SYN packets, each of other ends")
	rate := flags.Int("rate", 200_000, "packets per second")
	limit := flags.Int64("memory", 256, "MiB of resident memory that must do")
	more := flags.String("with", "", "further flags of pcapaudit live, with spaces")
	flags.Parse(args)
	l, err := newLab(*program)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	p, err := l.watch(ctx, l.live(append([]string{"--state", l.in("state"), "--checkpoint", "10s", "--heartbeat", "0"}, strings.Fields(*more)...)...)...)
	if err != nil {
		return err
	}
	from, err := l.newSender(strange)
	if err != nil {
		return err
	}
	defer from.close()

	begun, took := time.Now(), time.Duration(float64(*packets)/float64(*rate)*float64(time.Second))
	talked := make(chan error, 1)
	go func() { talked <- l.talk(ctx, max(took, 2*time.Second)) }()
	watched := make(chan struct{})
	go func() {
		for ctx.Err() == nil && !p.ended() {
			p.status()
			pause(ctx, 50*time.Millisecond)
		}
		close(watched)
	}()
	done, err := from.send(ctx, *rate, 10*took+time.Minute, *packets)
	if err = errors.Join(err, <-talked); err != nil {
		return err
	}
	pause(ctx, settle)
	busy, wall := p.cpu(), time.Since(begun)
	if err := errors.Join(ctx.Err(), p.stop(time.Minute)); err != nil {
		return err
	}
	<-watched
	if err := p.exited(); err != nil {
		return err
	}
	a, err := readAudit(l.in("audit.json"))
	if err != nil {
		return err
	}
	alerts, err := os.ReadFile(l.in("alerts.ndjson"))
	if err != nil {
		return fmt.Errorf("read alerts: %w", err)
	}
	lines := bytes.Count(alerts, []byte("\n"))
	var had, dropped uint64
	for _, in := range a.Coverage.Live {
		had, dropped = had+in.Kernel, dropped+in.Dropped
	}
	fmt.Printf("flood: %d SYN packets at %.0f/s while %d sessions ran: kernel had %d, dropped %d\n", done.packets, done.rate(), sessions, had, dropped)
	fmt.Printf("connections: %d, evicted %d; findings: %d, and %d connections beyond their limit; alerts: %d lines\n", a.Connections.Emitted, a.Coverage.Evicted, len(a.Findings), a.Overflow, lines)
	fmt.Printf("peak resident memory %d MiB (limit %d), processor %.1f s of %.1f s, ended in %.1f s\n", p.peak>>20, *limit, busy.Seconds(), wall.Seconds(), (time.Since(begun) - wall).Seconds())
	faults := append(unbalanced(a), misjudged(a, dropped == 0)...)
	if p.peak > *limit<<20 {
		faults = append(faults, fmt.Sprintf("peak memory is %d MiB", p.peak>>20))
	}
	if lines > flooded {
		faults = append(faults, fmt.Sprintf("%d alerts are more than %d", lines, flooded))
	}
	if len(faults) > 0 {
		return wrong(strings.Join(faults, "\n  "))
	}
	fmt.Printf("all %d sessions are judged right, ledgers balance\n", sessions)
	return nil
}
