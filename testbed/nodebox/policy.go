package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	networklisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// Where the CNI plugin `pod-policy` announces a pod before its first process runs.
const policySocket = "/run/pod-network/policy.sock"

// enforcer turns NetworkPolicies into one nftables table on its own node. Every packet is judged twice: on the
// node of the pod it leaves (egress) and on the node of the pod it reaches (ingress), in the forward hook, where
// Services have already become pods. What a node sends to its own pods never passes there, so probes always do.
type enforcer struct {
	node       string
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   networklisters.NetworkPolicyLister
	wake       chan struct{}

	mu        sync.Mutex
	announced map[types.NamespacedName]announcement
	written   string
}

// announcement is an address the API server has not heard of yet.
type announcement struct {
	ip string
	at time.Time
}

func enforcePolicies(client kubernetes.Interface, node string) {
	factory := informers.NewSharedInformerFactory(client, 0)
	e := &enforcer{
		node:       node,
		pods:       factory.Core().V1().Pods().Lister(),
		namespaces: factory.Core().V1().Namespaces().Lister(),
		policies:   factory.Networking().V1().NetworkPolicies().Lister(),
		wake:       make(chan struct{}, 1),
		announced:  map[types.NamespacedName]announcement{},
	}
	changed := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { e.poke() },
		UpdateFunc: func(any, any) { e.poke() },
		DeleteFunc: func(any) { e.poke() },
	}
	for _, informer := range []cache.SharedIndexInformer{
		factory.Core().V1().Pods().Informer(),
		factory.Core().V1().Namespaces().Informer(),
		factory.Networking().V1().NetworkPolicies().Informer(),
	} {
		if _, err := informer.AddEventHandler(changed); err != nil {
			klog.Fatal(err)
		}
	}
	stop := make(chan struct{})
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	go e.listen()
	for range e.wake {
		if err := e.write(); err != nil {
			klog.Error(err)
			time.AfterFunc(time.Second, e.poke)
		}
		time.Sleep(20 * time.Millisecond) // one write for the many events of one change
	}
}

func (e *enforcer) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// listen answers the CNI plugin once the pod it names is covered.
func (e *enforcer) listen() {
	if err := os.MkdirAll("/run/pod-network", 0o755); err != nil {
		klog.Fatal(err)
	}
	os.Remove(policySocket)
	listener, err := net.Listen("unix", policySocket)
	if err != nil {
		klog.Fatal(err)
	}
	klog.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var pod struct{ Namespace, Name, IP string }
		if err := json.NewDecoder(r.Body).Decode(&pod); err != nil || net.ParseIP(pod.IP) == nil {
			http.Error(w, "want namespace, name, ip", http.StatusBadRequest)
			return
		}
		name := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
		e.mu.Lock()
		e.announced[name] = announcement{pod.IP, time.Now()}
		e.mu.Unlock()
		// The kubelet may have heard of the pod before we did.
		for range 100 {
			if _, err := e.pods.Pods(pod.Namespace).Get(pod.Name); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := e.write(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})))
}

func (e *enforcer) write() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	table, err := e.table()
	if err != nil {
		return err
	}
	if table == e.written {
		return nil
	}
	// The first line makes the second succeed where there is no table yet; nft runs the whole as one transaction.
	script := "table inet pod-policy {}\ndelete table inet pod-policy\n" + table
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(script)
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %v: %s", err, out)
	}
	e.written = table
	return nil
}

// endpoint is a pod with the address it has.
type endpoint struct {
	*v1.Pod
	ip string
}

func (e *enforcer) endpoints() ([]endpoint, error) {
	pods, err := e.pods.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	seen := map[types.NamespacedName]bool{}
	var all []endpoint
	for _, pod := range pods {
		name := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
		seen[name] = true
		ip := pod.Status.PodIP
		if a, ok := e.announced[name]; ok {
			// The kubelet's word is older than the sandbox until it names the same address.
			if ip == a.ip || (ip != "" && time.Since(a.at) > 30*time.Second) {
				delete(e.announced, name)
			} else {
				ip = a.ip
			}
		}
		done := pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed
		if ip == "" || done || pod.Spec.HostNetwork || strings.Contains(ip, ":") {
			continue
		}
		all = append(all, endpoint{pod, ip})
	}
	for name, a := range e.announced {
		if !seen[name] && time.Since(a.at) > time.Minute {
			delete(e.announced, name)
		}
	}
	slices.SortFunc(all, func(a, b endpoint) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return all, nil
}

// table is the whole rule set as text, the same text for the same state.
func (e *enforcer) table() (string, error) {
	policies, err := e.policies.List(labels.Everything())
	if err != nil {
		return "", err
	}
	slices.SortFunc(policies, func(a, b *networking.NetworkPolicy) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	all, err := e.endpoints()
	if err != nil {
		return "", err
	}
	spaces := map[string]labels.Set{}
	namespaces, err := e.namespaces.List(labels.Everything())
	if err != nil {
		return "", err
	}
	for _, ns := range namespaces {
		spaces[ns.Name] = ns.Labels
	}
	r := ruleset{node: e.node, pods: all, namespaces: spaces}
	return r.render(policies), nil
}

type ruleset struct {
	node       string
	pods       []endpoint
	namespaces map[string]labels.Set
}

// direction says which side of a packet is the pod that a policy governs.
type direction struct{ name, own, peer string }

var (
	ingress = direction{"ingress", "daddr", "saddr"}
	egress  = direction{"egress", "saddr", "daddr"}
)

func (r ruleset) render(policies []*networking.NetworkPolicy) string {
	var out bytes.Buffer
	out.WriteString("table inet pod-policy {\n")
	// Egress is judged first and in a chain of its own: an accept there ends that chain, not the other.
	for i, d := range []direction{egress, ingress} {
		isolated := map[string][]string{} // address of a pod on this node: the chains of its policies
		for number, policy := range policies {
			if !governs(policy, d) {
				continue
			}
			var governed []endpoint
			for _, pod := range r.pods {
				if pod.Namespace == policy.Namespace && pod.Spec.NodeName == r.node && matches(&policy.Spec.PodSelector, pod.Labels) {
					governed = append(governed, pod)
				}
			}
			if len(governed) == 0 {
				continue
			}
			chain := fmt.Sprintf("%s-%d", d.name, number)
			fmt.Fprintf(&out, "  chain %s {\n    comment \"%s/%s\"\n", chain, policy.Namespace, policy.Name)
			for _, rule := range r.rules(policy, d, governed) {
				fmt.Fprintf(&out, "    %s accept\n", rule)
			}
			out.WriteString("  }\n")
			for _, pod := range governed {
				isolated[pod.ip] = append(isolated[pod.ip], chain)
			}
		}
		addresses := keys(isolated)
		for _, ip := range addresses {
			fmt.Fprintf(&out, "  chain %s-of-%s {\n    ip %s %s accept\n", d.name, dashed(ip), d.peer, ip) // a pod reaches itself
			for _, chain := range isolated[ip] {
				fmt.Fprintf(&out, "    jump %s\n", chain)
			}
			out.WriteString("    counter drop\n  }\n")
		}
		fmt.Fprintf(&out, "  chain %s {\n    type filter hook forward priority %d; policy accept;\n    ct state established,related accept\n", d.name, i-5)
		if len(addresses) > 0 {
			var verdicts []string
			for _, ip := range addresses {
				verdicts = append(verdicts, fmt.Sprintf("%s : goto %s-of-%s", ip, d.name, dashed(ip)))
			}
			fmt.Fprintf(&out, "    ip %s vmap { %s }\n", d.own, strings.Join(verdicts, ", "))
		}
		out.WriteString("  }\n")
	}
	out.WriteString("}\n")
	return out.String()
}

func governs(policy *networking.NetworkPolicy, d direction) bool {
	if len(policy.Spec.PolicyTypes) == 0 {
		return d == ingress || len(policy.Spec.Egress) > 0
	}
	want := networking.PolicyTypeIngress
	if d == egress {
		want = networking.PolicyTypeEgress
	}
	return slices.Contains(policy.Spec.PolicyTypes, want)
}

// rules are the matches of what a policy allows.
func (r ruleset) rules(policy *networking.NetworkPolicy, d direction, governed []endpoint) []string {
	type allowed struct {
		peers []networking.NetworkPolicyPeer
		ports []networking.NetworkPolicyPort
	}
	var rules []allowed
	if d == ingress {
		for _, rule := range policy.Spec.Ingress {
			rules = append(rules, allowed{rule.From, rule.Ports})
		}
	} else {
		for _, rule := range policy.Spec.Egress {
			rules = append(rules, allowed{rule.To, rule.Ports})
		}
	}
	var out []string
	for _, rule := range rules {
		peers := r.peers(policy.Namespace, rule.peers)
		from := peerMatches(d, rule.peers, peers)
		// A named port belongs to the pod the packet goes to.
		targets := governed
		if d == egress {
			targets = peers
			if len(rule.peers) == 0 {
				targets = r.pods
			}
		}
		for _, port := range portMatches(rule.ports, targets) {
			for _, peer := range from {
				out = append(out, strings.TrimSpace(peer+" "+port))
			}
		}
	}
	return out
}

// peers are the pods that selectors name.
func (r ruleset) peers(namespace string, peers []networking.NetworkPolicyPeer) []endpoint {
	var found []endpoint
	for _, pod := range r.pods {
		for _, peer := range peers {
			if peer.IPBlock != nil {
				continue
			}
			here := pod.Namespace == namespace
			if peer.NamespaceSelector != nil {
				here = matches(peer.NamespaceSelector, r.namespaces[pod.Namespace])
			}
			if here && (peer.PodSelector == nil || matches(peer.PodSelector, pod.Labels)) {
				found = append(found, pod)
				break
			}
		}
	}
	return found
}

// peerMatches are alternatives; none at all means that nobody is allowed, one empty that everybody is.
func peerMatches(d direction, peers []networking.NetworkPolicyPeer, pods []endpoint) []string {
	if len(peers) == 0 {
		return []string{""}
	}
	var out []string
	if len(pods) > 0 {
		out = append(out, fmt.Sprintf("ip %s { %s }", d.peer, addresses(pods)))
	}
	for _, peer := range peers {
		if peer.IPBlock == nil || strings.Contains(peer.IPBlock.CIDR, ":") {
			continue
		}
		match := fmt.Sprintf("ip %s %s", d.peer, peer.IPBlock.CIDR)
		for _, except := range peer.IPBlock.Except {
			match += fmt.Sprintf(" ip %s != %s", d.peer, except)
		}
		out = append(out, match)
	}
	return out
}

func portMatches(ports []networking.NetworkPolicyPort, targets []endpoint) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var out []string
	for _, port := range ports {
		protocol := v1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		l4 := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			out = append(out, "meta l4proto "+l4)
		case port.Port.StrVal != "":
			numbers := map[string][]endpoint{}
			for _, pod := range targets {
				if number, ok := namedPort(pod.Pod, port.Port.StrVal, protocol); ok {
					numbers[fmt.Sprint(number)] = append(numbers[fmt.Sprint(number)], pod)
				}
			}
			for _, number := range keys(numbers) {
				out = append(out, fmt.Sprintf("ip daddr { %s } %s dport %s", addresses(numbers[number]), l4, number))
			}
		case port.EndPort != nil && *port.EndPort > port.Port.IntVal:
			out = append(out, fmt.Sprintf("%s dport %d-%d", l4, port.Port.IntVal, *port.EndPort))
		default:
			out = append(out, fmt.Sprintf("%s dport %d", l4, port.Port.IntVal))
		}
	}
	return out
}

func namedPort(pod *v1.Pod, name string, protocol v1.Protocol) (int32, bool) {
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, port := range container.Ports {
			if port.Name == name && (port.Protocol == protocol || port.Protocol == "" && protocol == v1.ProtocolTCP) {
				return port.ContainerPort, true
			}
		}
	}
	return 0, false
}

func matches(selector *metav1.LabelSelector, set labels.Set) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(set)
}

func addresses(pods []endpoint) string {
	var all []string
	for _, pod := range pods {
		all = append(all, pod.ip)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

func dashed(ip string) string { return strings.ReplaceAll(ip, ".", "-") }

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}
