package monitor

import "testing"

// TestClockIsSet sets the clock ahead by a year and back: what happens by time goes on, and nothing is told to be missing.
func TestClockIsSet(t *testing.T) {
	r := begin(t, compiled(t, testPack, hourly), Options{Interval: 24 * hour, HeartbeatEvery: hour})
	r.Tick(start + minute)
	r.see(documented, unexpected, update, update2)
	ahead := start + 365*24*hour
	for _, now := range []int64{ahead, start + 2*minute} {
		r.Monitor.Tick(now)
		if !r.Due(now) {
			t.Fatal("the period goes on")
		}
		r.since = min(r.since, now)
		r.endPeriod()
		r.since = now
		if p := r.Period(); now < p.From || p.Until <= now || p.Until-p.From != 24*hour {
			t.Errorf("period %+v at %d", p, now)
		}
		r.see(documented, "10.0.0.50:40000 > 10.0.1.1:22 tcp unanswered")
	}
	if r.Due(start + 3*minute) {
		t.Error("the period has ended")
	}
	r.want("while the clock is set", `high finding new: agent-1 opened tcp/22 on server-1, 1 connections
medium blind: nothing was watched for 8759h59m: the program did not run, or the clock was set ahead
info resolved: not seen for 1h: agent-1 opened tcp/22 on server-1
info heartbeat: watching: 4 connections judged, 0 findings open, 0 scheduled expectations missing
high missing new: agent-2 never opened tcp/9876 to a server (p/check-in): p/check-in is required and periodic: Agent checks in
low finding new: plain tried tcp/22 on 10.0.1.1 (no host of the site): unanswered, 1 connections
medium blind: the clock was set back by 8759h58m`)
	r.Tick(start + 10*minute)
	r.see("10.0.0.50:40000 > 10.0.1.1:22 tcp unanswered")
	r.Tick(start + 62*minute)
	r.want("an hour later", "info heartbeat: watching: 9 connections judged, 2 findings open, 0 scheduled expectations missing")
	r.see(update2, "10.0.0.50:40000 > 10.0.1.1:22 tcp unanswered")
	r.Tick(start + 75*minute)
	r.want("a window in which the clock was set", "")
	r.Tick(start + 3*hour + 15*minute)
	r.Tick(start + 4*hour + 15*minute)
	if n := r.Counters().Missing; n == 0 {
		t.Errorf("nothing is missing hours later: %s", r.took())
	}
}

func TestWords(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0s", 900: "900ns", 46_883: "47µs", 468_836_270: "469ms", 999_900_000: "1s", second: "1s", 1_400_000_000: "1s", 90 * second: "1m30s", minute: "1m", hour: "1h", 26 * hour: "26h", hour + second: "1h0m1s",
	} {
		if got := words(ns); got != want {
			t.Errorf("%d: %s, want %s", ns, got, want)
		}
	}
}
