package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pcapaudit/classify"
)

// soakFlags say how long a soak takes, and what happens meanwhile.
type soakFlags struct {
	duration, flap, down, reload, interval, sample time.Duration
	rate                                           int
}

func soak(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	var f soakFlags
	program := flags.String("pcapaudit", "pcapaudit", "the program, built beforehand")
	flags.DurationVar(&f.duration, "duration", time.Hour, "time of the soak")
	flags.IntVar(&f.rate, "rate", 20_000, "packets per second, of 64 to 1518 bytes")
	flags.DurationVar(&f.flap, "flap", 5*time.Minute, "time between two flaps of the interface")
	flags.DurationVar(&f.down, "down", 3*time.Second, "time for which it is down")
	flags.DurationVar(&f.reload, "reload", time.Minute, "time between two changes of the pack; every third one breaks it")
	flags.DurationVar(&f.interval, "interval", 10*time.Minute, "period of the reports")
	flags.DurationVar(&f.sample, "sample", 30*time.Second, "time between two looks at memory, threads and open files")
	flags.Parse(args)
	l, err := newLab(*program)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	return f.run(ctx, l)
}

func (f *soakFlags) run(ctx context.Context, l *lab) error {
	args := l.live("--state", l.in("state"), "--interval", f.interval.String(), "--report", l.in("period-{period}.json"))
	p, err := l.watch(ctx, args...)
	if err != nil {
		return err
	}
	from, err := l.newSender(steady(10000, mixed))
	if err != nil {
		return err
	}
	defer from.close()
	ctx, stop := context.WithTimeout(ctx, f.duration)
	defer stop()
	began := time.Now()
	var done sent
	var failed error
	quiet := make(chan struct{})
	go func() {
		done, failed = from.send(ctx, f.rate, 2*f.duration, 0)
		close(quiet)
	}()
	s := f.disturb(ctx, l, p, began)
	<-quiet
	if err := errors.Join(failed, s.failed); err != nil {
		return err
	}
	if p.ended() {
		return errors.Join(wrong(l.program+" has ended before its time"), p.exited())
	}
	cpu, wall := p.cpu(), time.Since(began)
	if err := errors.Join(p.stop(time.Minute), p.exited()); err != nil {
		return err
	}
	fmt.Printf("soak: %v, %d packets at %.0f/s, %d refused while the interface was down, processor %.1f s of %.0f s\n", f.duration, done.packets, done.rate(), done.refused, cpu.Seconds(), wall.Seconds())
	return f.judge(l, s, done)
}

// disturbed is what was done to a program, and how it took it.
type disturbed struct {
	flaps            int
	down             time.Duration
	changes, refused int
	samples          []sample
	failed           error
}

type sample struct {
	at time.Duration
	memory
}

// disturb takes the interface down and up, changes the pack, and looks at memory, until the time is over.
func (f *soakFlags) disturb(ctx context.Context, l *lab, p *process, began time.Time) (s disturbed) {
	flap, reload, look := time.NewTicker(f.flap), time.NewTicker(f.reload), time.NewTicker(f.sample)
	defer flap.Stop()
	defer reload.Stop()
	defer look.Stop()
	fmt.Printf("%8s  %7s  %7s  %7s  %7s  %5s\n", "s", "RSS MiB", "own MiB", "peak", "threads", "files")
	for s.failed == nil && !p.ended() {
		select {
		case <-ctx.Done():
			return s
		case <-flap.C:
			if time.Since(began)+2*f.down < f.duration { // each flap ends before the soak does
				s.failed = s.shake(l, f.down)
			}
		case <-reload.C:
			if s.changes++; s.changes%3 == 0 {
				s.refused++
				s.failed = breakPack(l.dir)
			} else {
				s.failed = writePack(l.dir, s.changes)
			}
		case <-look.C:
			m := sample{time.Since(began), p.status()}
			s.samples = append(s.samples, m)
			fmt.Printf("%8.0f  %7.1f  %7.1f  %7.1f  %7d  %5d\n", m.at.Seconds(), mib(m.resident), mib(m.anonymous), mib(m.peak), m.threads, m.files)
		}
	}
	return s
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func (s *disturbed) shake(l *lab, d time.Duration) error {
	link := "-n " + l.watching + " link set " + far
	if err := ip(link + " down"); err != nil {
		return err
	}
	began := time.Now()
	time.Sleep(d)
	err := ip(link + " up")
	s.flaps++
	s.down += time.Since(began)
	return err
}

// noticed is the time in seconds after which a flap is seen at the latest.
const noticed = 2

// judge prints what came of a soak, and says what is wrong.
func (f *soakFlags) judge(l *lab, s disturbed, done sent) error {
	names, err := filepath.Glob(l.in("period-*.json"))
	if err != nil {
		return err
	}
	var faults []string
	var kernel, dropped uint64
	var blind, monitored time.Duration
	spans, others := 0, uint64(0)
	for _, name := range names {
		a, err := readAudit(name)
		if err != nil {
			return err
		}
		for _, fault := range unbalanced(a) {
			faults = append(faults, filepath.Base(name)+": "+fault)
		}
		for _, in := range a.Coverage.Live {
			kernel, dropped = kernel+in.Kernel, dropped+in.Dropped
			blind, monitored = blind+time.Duration(in.Blind), monitored+time.Duration(in.Monitored)
		}
		spans += len(a.Coverage.Blind)
		others += undocumented(a)
	}
	alerts, err := os.ReadFile(l.in("alerts.ndjson"))
	if err != nil {
		return fmt.Errorf("read alerts: %w", err)
	}
	kinds := map[string]int{}
	for _, kind := range []string{"blind", "reload", "finding", "flood", "heartbeat", "missing"} {
		kinds[kind] = strings.Count(string(alerts), fmt.Sprintf(`"kind":%q`, kind))
	}
	fmt.Printf("reports: %d periods; kernel had %d packets, dropped %d; %d connections not documented; alerts by kind: %v\n", len(names), kernel, dropped, others, kinds)
	fmt.Printf("time: monitored %.3f s, blind %.3f s in %d spans; the interface was down %.3f s in %d flaps\n", monitored.Seconds(), blind.Seconds(), spans, s.down.Seconds(), s.flaps)
	fmt.Printf("pack: changed %d times, %d of them broken\n", s.changes, s.refused)
	if spans < s.flaps || math.Abs((blind-s.down).Seconds()) > noticed*float64(s.flaps) {
		faults = append(faults, fmt.Sprintf("blind time of %v in %d spans is not that of %d flaps, %v", blind, spans, s.flaps, s.down))
	}
	if kernel > done.packets {
		faults = append(faults, fmt.Sprintf("%d packets are accounted for, and %d were sent", kernel, done.packets))
	}
	s.slopes()
	if len(faults) > 0 {
		return wrong(strings.Join(faults, "\n  "))
	}
	fmt.Println("ledgers balance, blind time is that of the flaps")
	return nil
}

// undocumented is how many connections a report does not call documented.
func undocumented(a *classify.Audit) (n uint64) {
	for _, t := range a.Totals {
		if t.Verdict != "documented" {
			n += t.Connections
		}
	}
	return n
}

// slopes says how the samples after the first third rise, as a line of least squares.
func (s *disturbed) slopes() {
	list := s.samples[len(s.samples)/3:]
	if len(list) < 3 {
		return
	}
	hours := (list[len(list)-1].at - list[0].at).Hours()
	for _, of := range []struct {
		name string
		of   func(sample) float64
	}{
		{"resident MiB", func(m sample) float64 { return mib(m.resident) }},
		{"own MiB", func(m sample) float64 { return mib(m.anonymous) }},
		{"threads", func(m sample) float64 { return float64(m.threads) }},
		{"open files", func(m sample) float64 { return float64(m.files) }},
	} {
		slope, mean := line(list, of.of)
		word := "flat"
		if math.Abs(slope*hours) > 0.05*mean+0.5 {
			word = "NOT FLAT"
		}
		fmt.Printf("%s: mean %.1f, slope %+.2f per hour: %s\n", of.name, mean, slope, word)
	}
}

// line fits a line: its slope per hour, and the mean.
func line(list []sample, of func(sample) float64) (slope, mean float64) {
	var x, y, xx, xy float64
	for _, m := range list {
		h, v := m.at.Hours(), of(m)
		x, y, xx, xy = x+h, y+v, xx+h*h, xy+h*v
	}
	n := float64(len(list))
	return (n*xy - x*y) / (n*xx - x*x), y / n
}
