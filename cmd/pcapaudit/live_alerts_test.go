package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAlertFileIsReopenedWhereItWasMoved(t *testing.T) {
	name := filepath.Join(t.TempDir(), "alerts")
	s := newAlertSinks(&ui{}, alertFlags{file: name}, time.UTC)
	if err := s.openFile(); err != nil {
		t.Fatal(err)
	}
	first := s.file
	if s.rotate(); s.file != first {
		t.Error("the file was opened again without need")
	}
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	if s.rotate(); s.file == first || !isFile(s.file, name) {
		t.Error("the file that was moved is still written")
	}
	s.file.Close()
}
