package capture

import (
	"fmt"
	"math"
	"math/bits"
)

// tickClock converts pcapng time stamps of one interface to ns since 1970 UTC. The zero value converts none.
type tickClock struct {
	perSecond uint64 // ticks; 0: the resolution cannot be represented
	offset    int64  // seconds to add
	perTick   uint64 // ns, where that is whole and there is no offset: the fast way; else 0
	max       uint64 // largest time stamp that perTick can take
}

// maxTime bounds packet times in ns, either way (the years 1823 to 2116): the difference of any two is an int64.
const maxTime = 1 << 62

// newTickClock takes the options if_tsresol and if_tsoffset. As in libpcap, a resolution finer than 10^-19 or 2^-63 s is not supported.
func newTickClock(resolution uint8, offset int64) (tickClock, string) {
	exponent := resolution & 0x7f
	c := tickClock{offset: offset}
	if resolution&0x80 != 0 {
		if exponent <= 63 {
			c.perSecond = 1 << exponent
		}
		return c, fmt.Sprintf("2^-%d s", exponent)
	}
	text := fmt.Sprintf("1e-%d s", exponent)
	if exponent == 0 {
		text = "1 s"
	}
	if exponent > 19 {
		return c, text
	}
	c.perSecond = 1
	for range exponent {
		c.perSecond *= 10
	}
	if exponent <= 9 && offset == 0 {
		c.perTick = 1e9 / c.perSecond
		c.max = (maxTime - 1) / c.perTick
	}
	return c, text
}

// ns converts exactly, rounding down to whole nanoseconds; false where the result is beyond maxTime.
func (c *tickClock) ns(stamp uint64) (int64, bool) {
	if c.perTick != 0 {
		return int64(stamp * c.perTick), stamp <= c.max
	}
	if c.perSecond == 0 {
		return 0, false
	}
	sec, frac := stamp/c.perSecond, stamp%c.perSecond
	hi, lo := bits.Mul64(frac, 1e9)
	nanos, _ := bits.Div64(hi, lo, c.perSecond)
	// sec + offset in 65 bits: an offset may bring a stamp beyond the bound back into range.
	var total int64
	if c.offset >= 0 {
		sum, carry := bits.Add64(sec, uint64(c.offset), 0)
		if carry != 0 || sum > math.MaxInt64 {
			return 0, false
		}
		total = int64(sum)
	} else {
		diff, borrow := bits.Sub64(sec, -uint64(c.offset), 0)
		if total = int64(diff); (total < 0) != (borrow != 0) {
			return 0, false
		}
	}
	const edge = maxTime / 1_000_000_000
	if total >= edge || total < -edge {
		return 0, false
	}
	return total*1e9 + int64(nanos), true
}
