package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"pcapaudit/cmd/internal/trial"
)

// TestMutants is a short campaign; the long one is in CONTRIBUTING.md.
func TestMutants(t *testing.T) {
	root := "../../../"
	c := &campaign{mutants: 200, only: -1, parallel: 2, seed: 7, dir: t.TempDir(), started: time.Now()}
	if testing.Short() {
		c.mutants = 60
	}
	var err error
	if c.captures, err = captures([]string{root + "../shared/captures", root + "../shared/captures/hostile", root + "testdata/captures"}); err != nil {
		t.Fatal(err)
	}
	if c.program, err = trial.Build(c.dir, trial.Usual); err != nil {
		t.Fatal(err)
	}
	f, err := c.run()
	if err != nil {
		t.Fatal(err)
	}
	if f.failed > 0 {
		t.Errorf("%d of %d mutants failed; go run ./cmd/internal/mutate -seed %d -only NUMBER repeats one", f.failed, f.mutants, c.seed)
	}
	f.print(testLog{t}, len(c.captures), time.Since(c.started))
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(string(bytes.TrimSuffix(p, []byte("\n"))))
	return len(p), nil
}

func TestMutantDependsOnSeedAndNumber(t *testing.T) {
	path := t.TempDir() + "/c.pcap"
	if err := os.WriteFile(path, bytes.Repeat([]byte("0123456789abcdef"), 64), 0o600); err != nil {
		t.Fatal(err)
	}
	c, other := &campaign{seed: 1, captures: []string{path}}, &campaign{seed: 2, captures: []string{path}}
	differ := 0
	for n := range 20 {
		a, err := c.mutant(n)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := c.mutant(n); !bytes.Equal(a.data, b.data) {
			t.Errorf("mutant %d differs from itself", n)
		}
		if b, _ := other.mutant(n); !bytes.Equal(a.data, b.data) {
			differ++
		}
	}
	if differ == 0 {
		t.Error("another seed gives the same mutants")
	}
}

// Every way to spoil takes every small size.
func TestDamageOfSmallFiles(t *testing.T) {
	for _, d := range damages {
		for size := range 40 {
			for seed := range uint64(20) {
				d.apply(rand.New(rand.NewPCG(seed, 0)), make([]byte, size), make([]byte, 39-size))
			}
		}
	}
}
