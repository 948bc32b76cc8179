package main

import (
	"errors"
	"io"
	"testing"
	"time"
)

// TestStreamWaitsForNobody writes to a stream that nobody reads: what does not fit is counted, and what did arrives when it is read.
func TestStreamWaitsForNobody(t *testing.T) {
	r, w := io.Pipe()
	s := newStream(w, nil)
	const all = maxStreamMessages + 100
	refused := 0
	for range all {
		if _, err := s.Write([]byte("message\n")); err != nil {
			refused++
		}
	}
	if refused == 0 || uint64(refused) != s.lost.Load() {
		t.Errorf("%d messages did not fit, %d are counted", refused, s.lost.Load())
	}
	if _, err := s.Write(make([]byte, maxStreamBytes)); !errors.Is(err, errNotRead) {
		t.Errorf("more bytes than may wait: %v", err)
	}
	if err := s.close(time.Now()); !errors.Is(err, errNotRead) {
		t.Errorf("closed before it is read: %v", err)
	}
	if _, err := s.Write([]byte("late\n")); !errors.Is(err, errNotRead) {
		t.Errorf("closed: %v", err)
	}
	read := make(chan int)
	go func() {
		text, _ := io.ReadAll(r)
		read <- len(text)
	}()
	if err := s.close(time.Now().Add(time.Minute)); err != nil {
		t.Errorf("closed and read: %v", err)
	}
	w.Close()
	if n := <-read; n != (all-refused)*len("message\n") {
		t.Errorf("%d bytes arrived", n)
	}
}

// TestStreamCountsWhatIsRefused writes to a stream whose reader is gone.
func TestStreamCountsWhatIsRefused(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(io.ErrShortWrite)
	told := 0
	s := newStream(w, func(error) { told++ })
	for range 3 {
		s.Write([]byte("message\n"))
	}
	if err := s.close(time.Now().Add(time.Minute)); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("closed: %v", err)
	}
	if s.lost.Load() != 3 || told != 1 {
		t.Errorf("%d lost, told %d times", s.lost.Load(), told)
	}
}

// TestFilesDoNotGoBack has a report fail that a later one overtakes: the later one stays, and what only the newest is worth is not tried again.
func TestFilesDoNotGoBack(t *testing.T) {
	w := newLiveFiles(&ui{err: io.Discard})
	var wrote []string
	full := true
	put := func(key, text string) *fileJob {
		w.last++
		return &fileJob{key: key, number: w.last, write: func(late bool) error {
			if full {
				return errNotRead
			}
			if late {
				text += " late"
			}
			wrote = append(wrote, text)
			return nil
		}}
	}
	w.do(put(stateKey, "state 1"))
	w.do(put("monday", "report 1"))
	w.do(put("monday", "report 2"))
	full = false
	w.do(put(stateKey, "state 2"))
	w.do(put("tuesday", "report 3"))
	w.again()
	if got, want := wrote, []string{"state 2", "report 3", "report 2 late"}; len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if len(w.failed) != 0 || w.dropped.Load() != 0 {
		t.Errorf("%d are tried again, %d dropped", len(w.failed), w.dropped.Load())
	}
}
