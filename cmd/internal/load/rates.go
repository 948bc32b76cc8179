package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// search is what is known of one receiver under one traffic.
type search struct {
	of      *receiver
	steps   []step // one for each rate, the best of its tries
	over    bool   // no higher rate is tried
	because string
	final   *step // the confirmation; nil: none held
	failed  error
}

// rateFlags say how rates are searched.
type rateFlags struct {
	rates         []int
	each, confirm time.Duration
	tries, flows  int
}

func rates(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	var f rateFlags
	program := flags.String("pcapaudit", "pcapaudit", "the program, built beforehand")
	list := flags.String("rates", "100000,200000,300000,400000,500000,600000,800000,1000000", "packets per second, rising")
	flags.DurationVar(&f.each, "step", 10*time.Second, "time of a step")
	flags.DurationVar(&f.confirm, "confirm", time.Minute, "time for which the highest rate without loss must hold; 0: no confirmation")
	flags.IntVar(&f.tries, "tries", 2, "how often a step is tried that has loss or too slow a sender: another program may have had the processor")
	flags.IntVar(&f.flows, "flows", 10000, "flows that send at a time")
	only := flags.String("only", "", "receivers, with commas: pcapaudit, argus, tcpdump -w, bare counter; empty: those that are installed")
	kinds := flags.String("traffic", "small,mixed", "small (frames of 64 bytes), mixed (64 to 1518 bytes)")
	flags.Parse(args)
	for _, text := range strings.Split(*list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("rate %q: write packets per second", text)
		}
		f.rates = append(f.rates, n)
	}
	l, err := newLab(*program)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for _, kind := range strings.Split(*kinds, ",") {
		sizes := map[string][]int{"small": small, "mixed": mixed}[kind]
		if sizes == nil {
			return fmt.Errorf("traffic %q: use small or mixed", kind)
		}
		err = errors.Join(err, f.compare(ctx, l, kind, sizes, chosen(*only)))
	}
	return err
}

// chosen are the receivers asked for, those that are not installed left out.
func chosen(only string) (list []*receiver) {
	for i := range receivers {
		r := &receivers[i]
		if only != "" && !strings.Contains(","+only+",", ","+r.name+",") {
			continue
		}
		if name, _, _ := strings.Cut(r.name, " "); name == "argus" || name == "tcpdump" {
			if _, err := exec.LookPath(name); err != nil {
				fmt.Printf("SKIPPED: %s is not installed\n", name)
				continue
			}
		}
		list = append(list, r)
	}
	return list
}

// compare searches for all receivers, rate by rate, so that what else the machine does meets them alike.
func (f *rateFlags) compare(ctx context.Context, l *lab, kind string, sizes []int, list []*receiver) error {
	searches := make([]search, len(list))
	for i, r := range list {
		searches[i].of = r
	}
	t := steady(f.flows, sizes)
	for _, rate := range f.rates {
		for i := range searches {
			if s := &searches[i]; !s.over {
				f.try(ctx, l, s, t, rate)
			}
		}
	}
	if f.confirm > 0 {
		for i := range searches {
			f.hold(ctx, l, &searches[i], t)
		}
	}
	print(kind, searches)
	var failed error
	for i := range searches {
		if s := &searches[i]; s.failed != nil {
			failed = errors.Join(failed, fmt.Errorf("%s, %s: %w", kind, s.of.name, s.failed))
		}
		if searches[i].of.name == "pcapaudit" {
			failed = errors.Join(failed, f.beyond(ctx, l, t))
		}
	}
	return failed
}

// try measures one rate.
func (f *rateFlags) try(ctx context.Context, l *lab, s *search, t traffic, rate int) {
	var best step
	for n := range f.tries {
		one, err := s.of.run(ctx, l, t, rate, f.each, 0)
		if err != nil {
			s.over, s.failed = true, err
			return
		}
		if n == 0 || one.loss() < best.loss() || one.loss() == best.loss() && one.sent.rate() > best.sent.rate() {
			best = one
		}
		if one.lossless() && one.held(0.98) {
			break
		}
	}
	s.steps = append(s.steps, best)
	fmt.Fprintf(os.Stderr, "%-12s %8d/s: sent %d at %.0f/s, had %d, dropped %d, cpu %.2f s, sender %.2f s\n", s.of.name, rate, best.sent.packets, best.sent.rate(), best.had, best.dropped,
		best.cpu.Seconds(), best.sent.cpu.Seconds())
	switch {
	case !best.lossless():
		s.over, s.because = true, fmt.Sprintf("%.2f %% lost at %d", 100*best.loss(), rate)
	case !best.held(0.75):
		s.over, s.because = true, fmt.Sprintf("the sender gave %.0f of %d", best.sent.rate(), rate)
	}
}

// loss is a share of what was sent.
func (s *step) loss() float64 {
	lost := s.dropped
	if s.had < s.sent.packets {
		lost += s.sent.packets - s.had
	}
	return float64(lost) / float64(max(s.sent.packets, 1))
}

// hold confirms the highest rate without loss for a longer time, or the highest one below for which that succeeds.
func (f *rateFlags) hold(ctx context.Context, l *lab, s *search, t traffic) {
	for i := len(s.steps) - 1; i >= 0; i-- {
		if s.failed != nil || !s.steps[i].lossless() {
			continue
		}
		for range f.tries {
			one, err := s.of.run(ctx, l, t, s.steps[i].asked, f.confirm, 0)
			if err != nil {
				s.failed = err
				return
			}
			fmt.Fprintf(os.Stderr, "%-12s %8d/s for %v: sent %d, dropped %d\n", s.of.name, one.asked, f.confirm, one.sent.packets, one.dropped)
			if one.lossless() {
				s.final = &one
				return
			}
		}
	}
}

// beyond sends as fast as the machine can into a small ring, and stops the program for a while: what is lost must be counted to the packet, and said.
func (f *rateFlags) beyond(ctx context.Context, l *lab, t traffic) error {
	one, err := receivers[0].run(ctx, l, t, 0, f.each, min(f.each/2, 1500*time.Millisecond), "--ring-size", "1")
	if err != nil {
		return fmt.Errorf("beyond the rates: %w", err)
	}
	fmt.Printf("beyond: %d packets at %.0f/s into a ring of 1 MiB, stopped meanwhile: kernel had %d, dropped %d (%.1f %%), ledgers balance and the report names the loss\n\n",
		one.sent.packets, one.sent.rate(), one.had, one.dropped, 100*one.loss())
	if one.had > one.sent.packets {
		return wrong(fmt.Sprintf("beyond the rates: %d packets were sent, and the report accounts for %d", one.sent.packets, one.had))
	}
	return nil
}

// print writes the table of one traffic. A rate is that of the confirmation where there is one.
func print(kind string, searches []search) {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\tlossless packets/s\tfor s\t/ argus\tcpu share\tcpu us/packet\tpeak MiB\tended by\n", kind)
	base := 0.0
	for i := range searches {
		if searches[i].of.name == "argus" {
			if s := searches[i].result(); s != nil {
				base = s.sent.rate()
			}
		}
	}
	for i := range searches {
		s := &searches[i]
		r := s.result()
		if r == nil {
			fmt.Fprintf(t, "%s\tnone\t\t\t\t\t\t%s\n", s.of.name, s.because)
			continue
		}
		ratio := ""
		if base > 0 {
			ratio = fmt.Sprintf("%.2f", r.sent.rate()/base)
		}
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%s\t%.2f\t%.2f\t%d\t%s\n", s.of.name, r.sent.rate(), r.sent.elapsed.Seconds(), ratio, r.cpu.Seconds()/r.sent.elapsed.Seconds(),
			r.cpu.Seconds()*1e6/float64(max(r.sent.packets, 1)), r.peak>>20, s.because)
	}
	t.Flush()
}

// result is the highest step without loss; nil: none.
func (s *search) result() (best *step) {
	if s.final != nil {
		return s.final
	}
	for i := range s.steps {
		if s.steps[i].lossless() {
			best = &s.steps[i]
		}
	}
	return best
}
