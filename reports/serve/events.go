package serve

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

const (
	eventTime   = 5 * time.Second // for one event to be taken
	reconnectMs = 3000            // after which a browser comes again
)

// events is a stream of server-sent events: "alert" for each alert, "status" for each state. It begins after the event that a browser has seen last.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("since")
	}
	client, before := s.hub.join(last)
	if client == nil {
		busy(w, "too many streams")
		return
	}
	defer s.hub.leave(client)
	out := sender{w: w, control: http.NewResponseController(w), clock: s.o.Clock}
	out.failed = out.control.SetReadDeadline(time.Time{}) != nil // nothing more is read; else the deadline of the request would end it
	out.text("retry: " + strconv.Itoa(reconnectMs) + "\n\n")
	for _, e := range before {
		out.alert(e)
	}
	out.status(s)
	for !out.failed {
		select {
		case e, open := <-client.events:
			if !open {
				return
			}
			out.alert(e)
		case <-client.states:
			out.status(s)
		case <-r.Context().Done():
			return
		}
	}
}

// sender writes events; after one that is not taken in time it writes no more.
type sender struct {
	w       http.ResponseWriter
	control *http.ResponseController
	clock   func() time.Time
	failed  bool
}

func (o *sender) text(text string) {
	if o.failed {
		return
	}
	o.failed = o.control.SetWriteDeadline(o.clock().Add(eventTime)) != nil
	if _, err := o.w.Write([]byte(text)); err != nil || o.control.Flush() != nil {
		o.failed = true
	}
}

func (o *sender) alert(e *event) {
	data, err := json.Marshal(e.shown)
	if err == nil {
		o.text("event: alert\nid: " + e.shown.ID + "\ndata: " + string(data) + "\n\n")
	}
}

func (o *sender) status(s *Server) {
	state := s.state.Load()
	if state == nil {
		return
	}
	status := s.status(state)
	data, err := json.Marshal(status.Values())
	if err == nil {
		o.text("event: status\ndata: " + string(data) + "\n\n")
	}
}

// findings are the alerts that are kept, one a line, oldest first; with since=ID those after it.
func (s *Server) findings(w http.ResponseWriter, r *http.Request) {
	list, known := s.hub.since(r.URL.Query().Get("since"))
	if !known {
		plain(w, http.StatusGone, "that event is not kept: take api/audit, then go on without since")
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	for _, e := range list {
		if _, err := w.Write(e.record); err != nil {
			return
		}
	}
}
