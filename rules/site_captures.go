package rules

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"
)

// installed checks what the site says of versions.
func (k *siteChecker) installed() {
	for i := range k.site.Installed {
		n := &k.site.Installed[i]
		if n.Pack == "" || n.Version == "" || n.Source == "" {
			k.fail("an installed version without pack, version or source", "add all three", n)
		}
		if before := slices.IndexFunc(k.site.Installed[:i], func(o Installed) bool { return o.Pack == n.Pack }); before >= 0 {
			k.fail(fmt.Sprintf("the installed version of %q is given twice, first at %s", n.Pack, k.places.at(&k.site.Installed[before])), "write one entry with all versions", &n.Pack, n)
		}
	}
}

// captures checks what the site says of how captures were made.
func (k *siteChecker) captures() {
	for i := range k.site.Captures {
		c := &k.site.Captures[i]
		if c.File == "" && c.Interface == "" {
			k.fail("a captures entry that names no captures", "add file (a pattern such as night-*.pcapng) or interface", c)
		}
		if _, err := path.Match(c.File, ""); err != nil {
			k.fail(fmt.Sprintf("%q is no pattern of file names", c.File), `use * and ?, [...] with its end, and \ before a character that stands for itself`, &c.File, c)
		}
		if before := slices.IndexFunc(k.site.Captures[:i], func(o CaptureRecord) bool { return o.File == c.File && o.Interface == c.Interface }); before >= 0 {
			k.fail(fmt.Sprintf("the same captures are described twice, first at %s", k.places.at(&k.site.Captures[before])), "merge the two", c)
		}
		k.oneOf("method", &c.Method, c, methodWords...)
		if _, err := time.ParseDuration(c.Clock.Offset); c.Clock.Offset != "" && err != nil {
			k.fail(fmt.Sprintf("the clock's offset %q is no duration", c.Clock.Offset), "write it as +12ms or -1.5s: how far the clock was ahead of UTC", &c.Clock.Offset, c)
		}
		k.custody(c)
	}
}

// custody checks that events are whole and in order.
func (k *siteChecker) custody(c *CaptureRecord) {
	last := int64(math.MinInt64)
	for i := range c.Custody {
		e := &c.Custody[i]
		if e.Who == "" || e.When == "" || e.What == "" {
			k.fail("an event of custody without who, when or what", "add all three", e, c)
			continue
		}
		at := k.instant(&e.When, last)
		if at < last {
			k.fail(fmt.Sprintf("custody at %s is before the event above it", e.When), "write the events in their order", &e.When, e)
		}
		last = at
	}
}

// Describes says whether the record is about a capture of this name with these interfaces.
func (c *CaptureRecord) Describes(name string, interfaces []string) bool {
	if c.Interface != "" && !slices.Contains(interfaces, c.Interface) {
		return false
	}
	if c.File == "" {
		return true
	}
	if !strings.Contains(c.File, "/") {
		name = path.Base(name)
	}
	ok, err := path.Match(c.File, name)
	return ok && err == nil
}

// Name says which captures the record is about: "night-*.pcapng", "interface eth0".
func (c *CaptureRecord) Name() string {
	switch {
	case c.Interface == "":
		return c.File
	case c.File == "":
		return "interface " + c.Interface
	}
	return c.File + ", interface " + c.Interface
}
