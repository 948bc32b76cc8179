package monitor

import (
	"fmt"
	"testing"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// acknowledges gives acknowledgements of one finding as a file has them; none for "".
func acknowledges(t *testing.T, id string, until int64) []*rules.Acknowledgement {
	t.Helper()
	list, problems := rules.LoadAcknowledgementsBytes("ack.yaml", fmt.Appendf(nil, "acknowledgements:\n  - {finding: %q, until: %q, who: R. Rivera, text: being replaced}", id, flow.Stamp(until)))
	noProblem(t, problems)
	return list.List
}

// idOf is the id of the last alert.
func (r *run) idOf() string { return r.alerts[len(r.alerts)-1].ID }

func TestAcknowledgedFindingIsNotTold(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{})
	r.see(refused)
	id := r.idOf()
	r.took()
	r.Acknowledge(start, acknowledges(t, id, start+2*hour))
	r.Tick(start + hour + 2*minute)
	r.want("gone quiet", "")
	r.see(refused)
	r.want("back", "")
	if n := r.Counters(); n.Acknowledged != 2 || n.Alerts[KindFinding] != 1 || n.Alerts[KindResolved] != 0 {
		t.Errorf("%+v", n)
	}
	r.Tick(start + 2*hour)
	if len(r.alerts) != 1 || r.alerts[0].Finding == nil || r.alerts[0].Acknowledged == nil || r.alerts[0].Acknowledged.Until != start+2*hour {
		t.Fatalf("at the end of the acknowledgement: %+v", r.alerts)
	}
	r.want("told again", "low finding again: agent-1 tried tcp/22 on server-1: refused, 1 connections")
	r.Tick(start + 2*hour + 3*minute)
	r.want("told once", "info resolved: not seen for 1h: agent-1 tried tcp/22 on server-1: refused")
}

func TestAcknowledgedFindingThatBecomesGraver(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{})
	r.see(refused)
	r.Acknowledge(start, acknowledges(t, r.idOf(), start+hour))
	r.took()
	r.see(unexpected)
	if len(r.alerts) != 1 || r.alerts[0].Change != ChangeGraver || r.alerts[0].Acknowledged == nil || r.alerts[0].Acknowledged.Who != "R. Rivera" {
		t.Errorf("graver: %+v", r.alerts)
	}
}

// TestAcknowledgementWithdrawn takes the entry out of the file before it ends, with and without an alert that was held back.
func TestAcknowledgementWithdrawn(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{})
	r.see(unexpected)
	id := r.idOf()
	r.Acknowledge(start, acknowledges(t, id, start+hour))
	r.took()
	r.see(unexpected)
	r.Tick(start + minute)
	r.Acknowledge(start+minute, acknowledges(t, id, start+2*hour))
	r.want("longer", "")
	r.Acknowledge(start+minute, nil)
	if len(r.alerts) != 1 || r.alerts[0].ID != id || r.alerts[0].Connections != 2 || r.alerts[0].Acknowledged.Until != start+minute {
		t.Errorf("withdrawn: %+v", r.alerts)
	}
	r.took()
	r.Acknowledge(start+minute, acknowledges(t, "0123456789abcdef", start+hour))
	r.Acknowledge(start+minute, nil)
	r.want("of no finding", "")
	r.Acknowledge(start+minute, acknowledges(t, id, start))
	r.Acknowledge(start+minute, nil)
	r.want("ended before", "")
}

// TestAcknowledgedExpectation holds back a missing use, and tells it when it is still missing at the end; one that recovered is over.
func TestAcknowledgedExpectation(t *testing.T) {
	for _, recovers := range []bool{false, true} {
		r := begin(t, compiled(t, testPack, hourly), Options{})
		r.see(update, update2)
		r.Acknowledge(start, append(acknowledges(t, (&use{Flow: "p/update", Host: "agent-1"}).id(), start+4*hour), acknowledges(t, (&use{Flow: "p/update", Host: "agent-2"}).id(), start+4*hour)...))
		r.Tick(start + 3*hour)
		r.want("missing", "")
		if n := r.Counters().Missing; n != 2 {
			t.Fatalf("%d uses are missing", n)
		}
		if recovers {
			r.see(update, update2)
			r.Tick(start + 3*hour + minute)
		}
		r.want("recovered", "")
		r.Tick(start + 4*hour)
		if want := map[bool]int{false: 2, true: 0}[recovers]; len(r.alerts) != want {
			t.Errorf("recovers %v: %d alerts at the end, want %d: %+v", recovers, len(r.alerts), want, r.alerts)
		}
	}
}
