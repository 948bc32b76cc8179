package serve

import (
	"strconv"
	"sync"
	"sync/atomic"

	"pcapaudit/classify/monitor"
	"pcapaudit/reports"
)

// Limits of alerts on their way to clients.
const (
	maxAlerts  = 1 << 12 // that wait to be worded
	maxHistory = 1 << 10 // that are kept
	maxWaiting = 256     // that a stream may be behind; one that is further behind is ended
	shownAlert = 50      // on the page
)

// event is an alert as clients get it.
type event struct {
	number uint64 // from 1
	shown  *reports.Event
	record []byte // as a line of NDJSON
}

// hub words alerts, keeps the last of them, and passes them on to the streams. Its goroutine is all that waits for its lock beside requests: who watches does not.
type hub struct {
	alerts chan monitor.Alert
	woken  chan struct{}
	lost   atomic.Uint64 // alerts
	ended  atomic.Uint64 // streams that were too slow

	mu      sync.Mutex
	epoch   string   // of this run, the beginning of ids
	history []*event // the last ones, oldest first
	next    uint64
	streams map[*stream]bool
	change  chan struct{} // closed when something was published, and replaced
	done    bool
}

// stream is a client that gets events.
type stream struct {
	events chan *event   // closed where the stream is ended
	states chan struct{} // there is a new state
}

func newHub() *hub {
	return &hub{alerts: make(chan monitor.Alert, maxAlerts), woken: make(chan struct{}, 1), next: 1, streams: map[*stream]bool{}, change: make(chan struct{})}
}

// put has an alert passed on, without waiting.
func (h *hub) put(a monitor.Alert) {
	select {
	case h.alerts <- a:
	default:
		h.lost.Add(1)
	}
}

// wake says that there is something new to see, without waiting.
func (h *hub) wake() {
	select {
	case h.woken <- struct{}{}:
	default:
	}
}

// run ends after close.
func (h *hub) run() {
	for {
		select {
		case a := <-h.alerts:
			h.add(&a)
		case <-h.woken:
			if !h.announce() {
				return
			}
		}
	}
}

// add words an alert and gives it to every stream. One that has no room for it is ended.
func (h *hub) add(a *monitor.Alert) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.epoch == "" {
		h.epoch = strconv.FormatInt(a.Time, 36)
	}
	e := &event{number: h.next, shown: reports.NewEvent(h.id(h.next), a)}
	record, err := reports.AppendEvent(nil, a, e.shown.ID)
	if err != nil {
		h.lost.Add(1)
		return
	}
	e.record = record
	h.next++
	if len(h.history) == maxHistory {
		h.history = append(h.history[:0:0], h.history[1:]...)
	}
	h.history = append(h.history, e)
	for s := range h.streams {
		select {
		case s.events <- e:
		default:
			h.ended.Add(1)
			delete(h.streams, s)
			close(s.events)
		}
	}
}

// id names an event: the run, and its number in it.
func (h *hub) id(number uint64) string { return h.epoch + "-" + strconv.FormatUint(number, 10) }

// announce tells all who wait that something was published; false after close.
func (h *hub) announce() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.change)
	h.change = make(chan struct{})
	for s := range h.streams {
		select {
		case s.states <- struct{}{}:
		default:
		}
	}
	return !h.done
}

// changed is closed when something is published after this call.
func (h *hub) changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.change
}

// latest gives the last alerts, newest first, and the id of the newest; "" where there is none.
func (h *hub) latest() (list []*reports.Event, last string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.history) - 1; i >= 0 && len(list) < shownAlert; i-- {
		list = append(list, h.history[i].shown)
	}
	if len(list) > 0 {
		last = list[0].ID
	}
	return list, last
}

// since gives the events after the one of an id, all that are kept for "". known is false where the id is of no event that is kept, or of another run.
func (h *hub) since(id string) (list []*event, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.after(id)
}

func (h *hub) after(id string) (list []*event, known bool) {
	if id == "" {
		return h.history[:len(h.history):len(h.history)], true
	}
	for i, e := range h.history {
		if e.shown.ID == id {
			return h.history[i+1 : len(h.history) : len(h.history)], true
		}
	}
	return h.history[:len(h.history):len(h.history)], false
}

// join adds a stream and gives the events that come before those it will get; nil where there are too many streams.
func (h *hub) join(id string) (s *stream, before []*event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done || len(h.streams) >= MaxStreams {
		return nil, nil
	}
	s = &stream{make(chan *event, maxWaiting), make(chan struct{}, 1)}
	h.streams[s] = true
	before, _ = h.after(id)
	return s, before
}

func (h *hub) leave(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, s)
}

// count is the number of streams.
func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams)
}

// close ends all streams and the goroutine.
func (h *hub) close() {
	h.mu.Lock()
	for s := range h.streams {
		delete(h.streams, s)
		close(s.events)
	}
	h.done = true
	h.mu.Unlock()
	h.wake()
}
