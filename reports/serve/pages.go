package serve

import (
	"bytes"
	_ "embed"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"pcapaudit/classify"
	"pcapaudit/reports"
)

//go:embed status.js
var script []byte

// routes are the only paths there are.
func (s *Server) routes() http.Handler {
	handlers := map[string]http.HandlerFunc{
		"/": s.page, "/status.js": s.script, "/events": s.events, "/metrics": s.metrics(),
		"/healthz": s.health, "/readyz": s.ready, "/api/audit": s.auditJSON, "/api/findings": s.findings,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := handlers[r.URL.Path]; h != nil {
			h(w, r)
			return
		}
		plain(w, http.StatusNotFound, "no such page")
	})
}

// pages keeps the page that was rendered last, so that many readers cost as much as one.
type pages struct {
	mu    sync.Mutex
	state *State
	audit *shown
	last  string // event
	text  []byte
}

func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	at := s.newest(r)
	text, err := s.rendered(at)
	if err != nil {
		plain(w, http.StatusInternalServerError, "the page cannot be made")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Write(text)
}

func (s *Server) rendered(a *shown) ([]byte, error) {
	p := &s.pages
	p.mu.Lock()
	defer p.mu.Unlock()
	state := s.state.Load()
	events, last := s.hub.latest()
	if p.text != nil && p.state == state && p.audit == a && p.last == last {
		return p.text, nil
	}
	status := s.status(state)
	status.Events, status.Last = events, last
	var audit *classify.Audit
	if a != nil {
		audit, status.AuditAt = a.audit, a.when
	}
	if no := s.declined.Load(); no != nil {
		status.Declined = no.why
	}
	var b bytes.Buffer
	if err := reports.WriteStatus(&b, audit, &status); err != nil {
		return nil, err
	}
	p.state, p.audit, p.last, p.text = state, a, last, b.Bytes()
	return p.text, nil
}

// status is a copy of what was published, nothing before that, with what this server lost.
func (s *Server) status(state *State) reports.Status {
	if state == nil {
		return reports.Status{}
	}
	status := state.Status
	status.Lost += s.hub.lost.Load()
	return status
}

// newest gives the audit so far. It asks for a new one where the last is old, and waits for it, for some time. nil: there is none yet.
func (s *Server) newest(r *http.Request) *shown {
	until := time.NewTimer(auditWait)
	defer until.Stop()
	asked := s.o.Clock()
	for {
		changed := s.hub.changed()
		last, no := s.audit.Load(), s.declined.Load()
		if last != nil && asked.Sub(last.at) < freshAudit || no != nil && !no.at.Before(asked) {
			return last
		}
		s.asked.Store(true)
		select {
		case <-changed:
		case <-until.C:
			return last
		case <-r.Context().Done():
			return last
		}
	}
}

func (s *Server) script(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(script)))
	w.Write(script)
}

func (s *Server) auditJSON(w http.ResponseWriter, r *http.Request) {
	select {
	case s.downloads <- struct{}{}:
		defer func() { <-s.downloads }()
	default:
		busy(w, "too many audits are being taken")
		return
	}
	a := s.newest(r)
	if a == nil {
		busy(w, "there is no audit yet")
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Last-Modified", a.at.UTC().Format(http.TimeFormat))
	if r.Method == http.MethodHead {
		return
	}
	format, err := reports.ByName("json")
	if err == nil {
		err = format.Write(w, a.audit, reports.Look{})
	}
	if err != nil {
		panic(http.ErrAbortHandler) // what was sent is cut, and shall look so
	}
}

func busy(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "2")
	plain(w, http.StatusServiceUnavailable, why)
}

// health says whether the watching goroutine runs.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	if !s.alive() {
		plain(w, http.StatusServiceUnavailable, "the watch does not run")
		return
	}
	plain(w, http.StatusOK, "ok")
}

// ready says whether every interface is being watched.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	state := s.state.Load()
	if state == nil || !s.alive() {
		plain(w, http.StatusServiceUnavailable, "the watch does not run")
		return
	}
	var not []string
	for _, i := range state.Status.Interfaces {
		if i.State != "up" {
			not = append(not, reports.Clean(i.Name)+" is "+i.State)
		}
	}
	if len(not) > 0 {
		plain(w, http.StatusServiceUnavailable, strings.Join(not, ", "))
		return
	}
	plain(w, http.StatusOK, "ok")
}
