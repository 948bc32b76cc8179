package serve

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pcapaudit/classify/monitor"
	"pcapaudit/reports"
)

// Descriptions of what is measured. No label is an address or a name from the wire: an interface is one that the operator named, everything else is a word of this program.
var (
	buildInfo = describe("build_info", "What this program is.", "version", "goversion")
	confined  = describe("sandbox_enforced", "1 where a measure of the sandbox is enforced.", "measure")

	kernelPackets    = describe("kernel_packets_total", "Packets that the kernel had for this program: delivered and dropped.", "interface")
	deliveredPackets = describe("delivered_packets_total", "Packets that this program read.", "interface")
	droppedPackets   = describe("dropped_packets_total", "Packets that the ring had no room for.", "interface")
	interfaceUp      = describe("interface_up", "1 where the interface is being watched.", "interface")
	watchedSeconds   = describe("watched_seconds_total", "Time in which the interface was watched.", "interface")
	blindSeconds     = describe("blind_seconds_total", "Time in which the interface was not watched.", "interface")
	capturedBytes    = describe("captured_bytes_total", "Bytes of packets that were read.")
	classPackets     = describe("packets_total", "Packets read, by the class that each one is in.", "class")

	openConnections    = describe("connections_open", "Connections in the table.")
	connectionLimit    = describe("connections_limit", "Room of the table.")
	evictedConnections = describe("connections_evicted_total", "Connections that ended because the table was full.")
	judgedConnections  = describe("connections_judged_total", "Connections judged since this program began, by verdict; those that were open when the one before was killed are among them.", "verdict")

	alertsTotal   = describe("alerts_total", "Alerts, by kind.", "kind")
	alertsHeld    = describe("alerts_held_total", "Alerts that were not told, because what they are about is acknowledged.")
	outputsLost   = describe("outputs_lost_total", "Alerts and files that did not get out.")
	openFindings  = describe("findings_open", "Findings that were told and are not over.")
	missingUses   = describe("expectations_missing", "Scheduled expectations that are not met.")
	knownFindings = describe("acknowledgements", "Acknowledgements in force.")

	checkpointAge = describe("checkpoint_age_seconds", "Time since the state was saved; absent where none was.")
	reloadOK      = describe("rules_reload_ok", "0 where the last change of packs or site was refused.")
	knownOK       = describe("acknowledgements_reload_ok", "0 where the last change of the acknowledgements was refused.")
	reloads       = describe("rules_reloads_total", "Changes of packs and site, by what became of them.", "result")
	tickAge       = describe("watch_tick_age_seconds", "Time since the watching goroutine was heard of.")
	auditCost     = describe("audit_seconds", "Time that the watching goroutine needed for the last audit that was asked for; absent where none was.")

	httpConnections = describe("http_connections", "Connections of HTTP clients.")
	httpTurned      = describe("http_connections_refused_total", "Connections beyond the limit.")
	httpStreams     = describe("http_streams", "Streams of events.")
	httpEnded       = describe("http_streams_ended_total", "Streams that were ended because their reader was too slow.")
	httpAnswers     = describe("http_answers_total", "Answers, by the class of their status.", "status")
)

// kinds of alerts, in the order of their names.
var kinds = []monitor.Kind{monitor.KindBlind, monitor.KindFinding, monitor.KindFlood, monitor.KindHeartbeat, monitor.KindMissing, monitor.KindRecovered, monitor.KindReload, monitor.KindResolved}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pcapaudit_"+name, help, labels, nil)
}

// metrics answers with all of them. What is measured is what was published last: nothing is asked of the watch.
func (s *Server) metrics() http.HandlerFunc {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	h := promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: maxDownloads, DisableCompression: true})
	return h.ServeHTTP
}

type collector struct{ s *Server }

// Describe tells nothing: which metrics there are depends on what was published.
func (c collector) Describe(chan<- *prometheus.Desc) {}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	s, m := c.s, sink(ch)
	m.gauge(buildInfo, 1, s.o.Version, s.o.Runtime)
	m.gauge(httpConnections, float64(s.open.Load()))
	m.count(httpTurned, s.turned.Load())
	m.gauge(httpStreams, float64(s.hub.count()))
	m.count(httpEnded, s.hub.ended.Load())
	for class, name := range []string{2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"} {
		if name != "" {
			m.count(httpAnswers, s.answers[class].Load(), name)
		}
	}
	if state := s.state.Load(); state != nil {
		m.gauge(tickAge, time.Duration(s.o.Clock().UnixNano()-s.ticked.Load()).Seconds())
		s.collect(state, m)
	}
}

func (s *Server) collect(state *State, m sink) {
	status := s.status(state)
	for _, i := range status.Interfaces {
		name := reports.Clean(i.Name)
		m.count(kernelPackets, i.Kernel, name)
		m.count(deliveredPackets, i.Delivered, name)
		m.count(droppedPackets, i.Dropped, name)
		m.gauge(interfaceUp, truth(i.State == "up"), name)
		m.seconds(watchedSeconds, i.Monitored, name)
		m.seconds(blindSeconds, i.Blind, name)
	}
	m.count(capturedBytes, state.Bytes)
	for _, n := range state.Confined {
		m.gauge(confined, float64(n.N), n.Name)
	}
	for _, n := range state.Classes {
		m.count(classPackets, n.N, n.Name)
	}
	m.gauge(openConnections, float64(status.Open))
	m.gauge(connectionLimit, float64(status.Limit))
	m.count(evictedConnections, state.Evicted)
	for _, n := range state.Verdicts {
		m.count(judgedConnections, n.N, n.Name)
	}
	for _, k := range kinds {
		m.count(alertsTotal, state.Counters.Alerts[k], string(k))
	}
	m.count(alertsHeld, status.Held)
	m.count(outputsLost, status.Lost)
	m.gauge(openFindings, float64(status.Findings))
	m.gauge(missingUses, float64(status.Missing))
	known := 0
	for _, k := range status.Known {
		if k.Until > status.Now {
			known++
		}
	}
	m.gauge(knownFindings, float64(known))
	if status.SavedAt > 0 {
		m.gauge(checkpointAge, time.Duration(status.Now-status.SavedAt).Seconds())
	}
	m.gauge(reloadOK, truth(!status.RulesRefused))
	m.gauge(knownOK, truth(!status.KnownRefused))
	m.count(reloads, state.Reloads, "taken")
	m.count(reloads, state.Refused, "refused")
	if state.AuditCost > 0 {
		m.gauge(auditCost, state.AuditCost.Seconds())
	}
}

// sink takes measurements.
type sink chan<- prometheus.Metric

func (m sink) count(d *prometheus.Desc, n uint64, labels ...string) {
	m <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (m sink) seconds(d *prometheus.Desc, ns int64, labels ...string) {
	m <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, time.Duration(ns).Seconds(), labels...)
}

func (m sink) gauge(d *prometheus.Desc, n float64, labels ...string) {
	m <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
