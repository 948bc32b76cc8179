package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// receiver is a program whose losses are measured.
type receiver struct {
	name string
	args func(l *lab) []string
	// tally says, once the program has ended, how many packets it had and how many of them were dropped before it saw them.
	tally func(l *lab, p *process) (had, dropped uint64, err error)
}

// ringMiB is the ring of all receivers that let it be chosen.
const ringMiB = 32

var receivers = []receiver{
	{"pcapaudit", func(l *lab) []string { return l.live() }, tallyAudit},
	{"argus", func(l *lab) []string {
		os.Remove(l.in("argus.out")) // it appends
		return []string{"argus", "-X", "-M", "1", "-i", far, "-w", l.in("argus.out")}
	}, tallyArgus},
	{"tcpdump -w", func(l *lab) []string {
		return []string{"tcpdump", "-Z", "root", "-n", "-i", far, "-B", fmt.Sprint(ringMiB << 10), "-w", "/dev/null"}
	}, tallyTcpdump},
	{"bare counter", func(l *lab) []string { return []string{selfName(), "count"} }, tallyCounter},
}

func selfName() string {
	name, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return name
}

// live is pcapaudit with pack and site, its report and the alerts in files.
func (l *lab) live(more ...string) []string {
	return append([]string{l.program, "live", "--interface", far, "--rules", l.in(packFile), "--site", l.in(siteFile), "--ring-size", fmt.Sprint(ringMiB),
		"--report", l.in("audit.json"), "--alerts", l.in("alerts.ndjson")}, more...)
}

func tallyAudit(l *lab, p *process) (had, dropped uint64, err error) {
	if err := p.exited(); err != nil {
		return 0, 0, err
	}
	a, err := readAudit(l.in("audit.json"))
	if err != nil {
		return 0, 0, err
	}
	for _, in := range a.Coverage.Live {
		had, dropped = had+in.Kernel, dropped+in.Dropped
	}
	if faults := unbalanced(a); len(faults) > 0 {
		return had, dropped, wrong(strings.Join(faults, "; "))
	}
	return had, dropped, nil
}

// wrong is what makes a run fail: a ledger or a verdict.
type wrong string

func (w wrong) Error() string { return string(w) }

var tcpdumpSays = regexp.MustCompile(`(\d+) packets? (captured|received by filter|dropped by kernel)`)

func tallyTcpdump(_ *lab, p *process) (had, dropped uint64, err error) {
	for _, m := range tcpdumpSays.FindAllStringSubmatch(p.said(), -1) {
		n, _ := strconv.ParseUint(m[1], 10, 64)
		switch m[2] {
		case "received by filter":
			had = n
		case "dropped by kernel":
			dropped = n
		}
	}
	if had == 0 {
		return 0, 0, fmt.Errorf("tcpdump tells no numbers: %s", p.said())
	}
	return had, dropped, nil
}

func tallyCounter(_ *lab, p *process) (had, dropped uint64, err error) {
	var c counted
	if err := json.Unmarshal(p.stdout.Bytes(), &c); err != nil {
		return 0, 0, fmt.Errorf("read numbers of the counter: %w: %s", err, p.said())
	}
	return c.Kernel, c.Dropped, nil
}

// tallyArgus adds up the management records that argus writes of itself, one a second: packets seen, and lost.
func tallyArgus(l *lab, p *process) (had, dropped uint64, err error) {
	out, err := exec.Command("ra", "-n", "-L-1", "-c,", "-s", "pkts", "-s", "loss", "-r", l.in("argus.out"), "-", "man").Output()
	if err != nil {
		return 0, 0, fmt.Errorf("read records of argus: %w", err)
	}
	for _, line := range strings.Fields(string(out)) {
		fields := strings.Split(line, ",")
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.ParseUint(fields[0], 10, 64)
		d, _ := strconv.ParseUint(fields[1], 10, 64)
		had, dropped = had+n+d, dropped+d
	}
	return had, dropped, nil
}

// step is one receiver at one rate for one time.
type step struct {
	asked        int
	sent         sent
	had, dropped uint64
	cpu          time.Duration
	peak         int64
}

// linger is between the last packet and the end of a program: it reads what is in its ring, and argus tells of itself every second.
const linger = 1500 * time.Millisecond

// run measures a step. stall, where it is not 0, stops the program for so long in the middle.
func (r *receiver) run(ctx context.Context, l *lab, t traffic, rate int, d, stall time.Duration, more ...string) (s step, err error) {
	s.asked = rate
	p, err := l.watch(ctx, append(r.args(l), more...)...)
	if err != nil {
		return s, err
	}
	defer func() {
		if err != nil && !p.ended() {
			p.kill()
		}
	}()
	from, err := l.newSender(t)
	if err != nil {
		return s, err
	}
	defer from.close()
	before := p.cpu()
	if stall > 0 {
		go func() {
			pause(ctx, (d-stall)/2)
			p.signal(syscall.SIGSTOP)
			pause(ctx, stall)
			p.signal(syscall.SIGCONT)
		}()
	}
	if s.sent, err = from.send(ctx, rate, d, 0); err != nil {
		return s, err
	}
	pause(ctx, linger)
	s.cpu = p.cpu() - before
	if err = errors.Join(ctx.Err(), p.stop(30*time.Second)); err != nil {
		return s, err
	}
	s.peak = p.peak
	s.had, s.dropped, err = r.tally(l, p)
	return s, err
}

// lossless is true where the kernel dropped nothing and nothing else went astray.
func (s *step) lossless() bool { return s.dropped == 0 && s.had >= s.sent.packets }

// held is true where the sender gave at least that share of the rate that was asked for.
func (s *step) held(share float64) bool { return s.sent.rate() >= share*float64(s.asked) }
