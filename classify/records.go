package classify

import (
	"fmt"

	"pcapaudit/rules"
)

// recorded adds the site's capture records to the inputs that they describe, and gives a warning for each that describes none.
func (a *Auditor) recorded(inputs []Input) (warnings []string) {
	if a.set.Site == nil {
		return nil
	}
	list := a.set.Site.Captures
	for i := range list {
		used := false
		for j := range inputs {
			if in := &inputs[j]; list[i].Describes(in.Name, interfaceNames(in)) {
				in.Records, used = append(in.Records, captureRecord(&list[i])), true
			}
		}
		if !used {
			warnings = append(warnings, fmt.Sprintf("the site's captures entry for %s describes no input", list[i].Name()))
		}
	}
	return warnings
}

func interfaceNames(in *Input) (names []string) {
	for i := range in.Interfaces {
		names = append(names, in.Interfaces[i].Name)
	}
	return names
}

func captureRecord(r *rules.CaptureRecord) CaptureRecord {
	c := CaptureRecord{For: r.Name(), Device: r.Device, Method: r.Method, Filter: r.Filter, ClockSource: r.Clock.Source, ClockOffset: r.Clock.Offset, Operator: r.Operator, Custody: []Custody{}}
	for _, e := range r.Custody {
		c.Custody = append(c.Custody, Custody(e))
	}
	return c
}
