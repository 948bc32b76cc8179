//go:build linux

package capture

import "time"

// machineClock is LiveConfig.Clock where none is given: the clock that the kernel stamps packets with, and one that is never set.
func machineClock() func() (wall, mono int64) {
	began := time.Now()
	return func() (int64, int64) {
		now := time.Now()
		return now.UnixNano(), int64(now.Sub(began))
	}
}

// aheadOfStamps is how many ns a wall clock that shows now is ahead of the packets' time stamps.
func aheadOfStamps(now int64) int64 { return now - time.Now().UnixNano() }
