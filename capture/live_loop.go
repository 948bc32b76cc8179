//go:build linux

package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
)

// Live watches interfaces until ctx is done, tracks connections and emits each once. Of c it takes Filter, Key, Dedup, TunnelPorts,
// MaxConnections, Emit, Young and Learn, which are called from its goroutine, as l.Tick is. The result is that of the last part (see
// Pulse.Cut). The error is that of an interface that cannot be watched (a *LiveError, without result, before anything else is touched), of the
// system, or of a ledger that does not balance, which is a defect of this program. An interface that goes away later is no error.
func Live(ctx context.Context, c Config, l LiveConfig) (*Result, error) {
	w, err := openLive(&c, &l)
	if err != nil {
		return nil, err
	}
	if l.Opened != nil {
		if err := l.Opened(); err != nil {
			w.close()
			return nil, err
		}
	}
	return w.finish(w.loop(ctx))
}

// watcher is live with what it reads from.
type watcher struct {
	live
	config LiveConfig
	links  *linkWatch
	rings  rings

	set    bool  // the clock is not the machine's
	ticked int64 // when, on the monotonic clock
	moved  int64 // when the wall clock was set, on it
	quiet  bool  // there was nothing to read when it was last looked
}

func openLive(c *Config, l *LiveConfig) (*watcher, error) {
	links, err := openLinkWatch()
	if err != nil {
		return nil, err
	}
	w := &watcher{config: *l, links: links, set: l.Clock != nil}
	if w.config.Clock == nil {
		w.config.Clock = machineClock()
	}
	if err := w.openAll(); err != nil {
		w.close()
		return nil, err
	}
	in := &inputs{}
	for _, i := range w.interfaces {
		in.list = append(in.list, i.input)
	}
	w.translations = l.Translations
	w.run = newTracker(in, c, newRelay(c, false))
	if l.Translations != nil {
		w.translate = func(c *flow.Conn, last bool) { l.Translations.apply(c, w.table, last) }
	}
	w.decoder.forwards = newForwards()
	w.wall, w.mono = w.clock()
	w.now, w.accounted, w.rings.wall = w.wall, w.wall, w.wall
	w.begin()
	return w, nil
}

// openAll opens the interfaces that are asked for.
func (w *watcher) openAll() error {
	if len(w.config.Interfaces) == 0 || len(w.config.Interfaces) > maxWatched {
		return fmt.Errorf("watching %d interfaces: name 1 to %d", len(w.config.Interfaces), maxWatched)
	}
	seen := map[string]bool{}
	for _, name := range w.config.Interfaces {
		l, ok := w.links.named(name)
		switch {
		case !ok:
			return &LiveError{name, fmt.Errorf("no such interface; there are %s", strings.Join(w.links.names(), ", "))}
		case seen[name]:
			return &LiveError{name, errors.New("named twice")}
		}
		seen[name] = true
		i := newWatched(name)
		w.interfaces = append(w.interfaces, i)
		if err := w.open(i, l); err != nil {
			return &LiveError{name, err}
		}
	}
	return nil
}

// open makes the rings of an interface, in place of those that it may have.
func (w *watcher) open(i *watched, l link) error {
	rings, err := openRings(ringPlace{l, i, uint16(slices.Index(w.interfaces, i))}, &w.config)
	if err != nil {
		return err
	}
	if err := w.rings.retire(i, w.mono); err != nil {
		return err
	}
	w.rings.list = append(w.rings.list, rings...)
	i.index = l.index
	i.become(l)
	return nil
}

func (w *watcher) close() {
	w.rings.close()
	w.links.close()
}

// clock reads the configured clock, and how far it is ahead of the machine's.
func (w *watcher) clock() (wall, mono int64) {
	wall, mono = w.config.Clock()
	if w.set {
		w.rings.skew = aheadOfStamps(wall)
	}
	return wall, mono
}

// loop is the packet loop.
func (w *watcher) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := w.once(); err != nil {
			return err
		}
		if w.mono-w.ticked < tickEvery {
			continue
		}
		if err := w.tick(); err != nil {
			return err
		}
		if w.config.Tick != nil {
			w.config.Tick(&Pulse{&w.live})
		}
	}
	return w.drain()
}

// once reads what there is, or waits for it a little.
func (w *watcher) once() error {
	w.rings.fill(&w.records)
	if w.quiet = w.records.n == 0; w.quiet {
		ms := max((w.ticked+tickEvery-w.mono)/1e6, 1)
		if w.rings.waits() {
			ms = min(ms, ringRetire/4)
		}
		linked, err := w.rings.wait(w.links.fd, int(min(ms, tickEvery/1e6)))
		if err != nil {
			return err
		}
		if linked {
			w.ticked = w.mono - tickEvery // changes of interfaces are looked at now
		}
	} else {
		for n := range w.records.recs[:w.records.n] {
			r := &w.records.recs[n]
			w.interfaces[r.file].note(r)
		}
		w.now = max(w.now, min(w.records.recs[w.records.n-1].time, w.wall))
		w.track()
	}
	return w.look()
}

// look reads the clock, and finds steps of it and times in which nothing was read.
func (w *watcher) look() error {
	wall, mono := w.clock()
	gap := mono - w.mono
	step := wall - w.wall - gap
	before := w.wall
	w.wall, w.mono, w.rings.wall = wall, mono, wall
	if mono-w.moved > settledAfter {
		w.rings.step = 0
	}
	switch {
	case step > steppedAfter || step < -steppedAfter:
		w.account(before)
		w.missed(wall, blindStep, func(*watched) bool { return true })
		w.rings.step, w.moved = step, mono
		w.table.Step(step)
		if w.translations != nil {
			w.translations.step(step)
		}
		w.now += step
	case gap > stalledAfter:
		w.account(before)
		lost := map[*watched]uint64{}
		for _, i := range w.interfaces {
			lost[i] = i.dropped
		}
		if err := w.rings.count(); err != nil {
			return err
		}
		w.missed(wall, blindStalled, func(i *watched) bool { return i.dropped > lost[i] })
	}
	return nil
}

// tick is for what has to happen also where no packet comes.
func (w *watcher) tick() error {
	w.ticked = w.mono
	w.account(w.wall)
	events, err := w.links.changed()
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := w.follow(e); err != nil {
			return err
		}
	}
	if w.links.doubt {
		w.links.doubt = false
		w.rebind()
	}
	w.retry()
	if err := w.rings.count(); err != nil {
		return err
	}
	w.rings.drop(w.mono)
	if err := w.hear(); err != nil {
		return err
	}
	if w.quiet {
		w.now = max(w.now, w.wall-ringDelay)
	}
	w.table.Advance(w.now)
	return nil
}

// hear reads what the kernel tells of translations.
func (w *watcher) hear() error {
	if w.translations == nil {
		return nil
	}
	return w.translations.read(w.wall)
}

// follow turns to what an event made of the interfaces. One that is renamed is still watched, until there is another one of the name asked for.
func (w *watcher) follow(e linkEvent) error {
	for _, i := range w.interfaces {
		switch {
		case e.gone && e.index == i.index:
			if err := w.rings.retire(i, w.mono); err != nil {
				return err
			}
			i.index, i.present, i.state = 0, "", LinkGone
			i.sight.turn(blindDeleted)
		case e.gone:
		case e.index == i.index:
			i.become(e.link)
		case e.name == i.name:
			i.another = true // which may have gone again by now
		}
	}
	return nil
}

// rebind opens the rings of interfaces again that were replaced by others of the same number while changes went untold.
func (w *watcher) rebind() {
	for _, i := range w.interfaces {
		if l, ok := w.links.known[i.index]; ok && w.rings.unbound(i) {
			i.sight.turn(blindDeleted)
			w.reopen(i, l)
		}
	}
}

// reopen watches another interface from now on. Where that fails now it is tried again.
func (w *watcher) reopen(i *watched, l link) {
	err := w.open(i, l)
	if err == nil {
		i.problem = ""
		return
	}
	if problem := err.Error(); problem != i.problem {
		i.problem = problem
		i.input.warn(problem)
	}
	if i.index == 0 {
		i.sight.turn(blindClosed)
	}
}

// retry opens what has come, when all changes are known, and tries to open what could not be opened: a ring costs too much to make one for each
// change of an interface that comes and goes.
func (w *watcher) retry() {
	for _, i := range w.interfaces {
		if i.problem == "" && !i.another {
			continue
		}
		l, ok := w.links.named(i.name)
		switch {
		case !ok:
			i.problem = ""
		case i.problem != "" || l.index != i.index:
			w.reopen(i, l)
		}
		i.another = false
	}
}

// become takes over what the interface is at present.
func (w *watched) become(l link) {
	w.present, w.state = l.name, LinkUp
	if l.up {
		w.sight.turn("")
		return
	}
	w.state = LinkDown
	w.sight.turn(blindDown)
}

// drain reads what is in the rings, after which nothing more comes into them.
func (w *watcher) drain() error {
	w.account(w.wall)
	w.ended = true
	for _, i := range w.interfaces {
		if err := w.rings.retire(i, w.mono); err != nil {
			return err
		}
	}
	for begun := w.mono; len(w.rings.list) > 0; {
		if err := w.once(); err != nil {
			return err
		}
		if w.mono-w.ticked < tickEvery || w.mono-begun < ringDelay {
			continue
		}
		w.ticked = w.mono
		if err := w.rings.count(); err != nil {
			return err
		}
		w.rings.drop(w.mono)
	}
	return nil
}

// finish lets go of everything and checks the ledgers; loopErr is that of loop.
func (w *watcher) finish(loopErr error) (*Result, error) {
	w.close()
	heard := w.hear()
	w.table.Close()
	w.relay.end()
	r := w.part()
	return r, errors.Join(loopErr, heard, r.Balanced())
}
