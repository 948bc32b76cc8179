package main

import (
	"testing"

	"pcapaudit/capture"
)

// What was cut or filtered inside a tunnel counts for the coverage as what was outside of one.
func TestFactsInsideTunnels(t *testing.T) {
	var r capture.Result
	for reason := range capture.Reason(capture.NumReasons) {
		switch reason.Class() {
		case capture.Truncated, capture.Filtered:
			r.Ledger.Reasons[reason].Packets, r.Ledger.Inner[reason].Packets = 1, 10
		}
	}
	c := captureFacts(&r)
	cut := r.Ledger.Class(capture.Truncated).Packets
	left := r.Ledger.Class(capture.Filtered).Packets
	if c.HeadersCut != 11*cut || c.Truncated != 11*cut || c.Undecoded != 11*cut || c.Filtered != 11*left {
		t.Errorf("cut in headers %d, truncated %d, undecoded %d, filtered %d; want %d, %[5]d, %[5]d, %d", c.HeadersCut, c.Truncated, c.Undecoded, c.Filtered, 11*cut, 11*left)
	}
}
