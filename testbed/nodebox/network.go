package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

const podRange = "10.244.0.0/16"

// joinPodNetwork runs on every node: it keeps a route to each other node's pods through that node's
// address, hides pod addresses from what lies outside the cluster, and enforces NetworkPolicies.
func joinPodNetwork() {
	config, err := rest.InClusterConfig()
	if err != nil {
		klog.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	nodes := client.CoreV1().Nodes()
	masqueradeEgress()
	go enforcePolicies(client, os.Getenv("NODE_NAME"))
	for ; ; time.Sleep(2 * time.Second) {
		list, err := nodes.List(context.Background(), metav1.ListOptions{})
		if err != nil {
			klog.Error(err)
			continue
		}
		for _, node := range list.Items {
			if node.Name != os.Getenv("NODE_NAME") {
				routeTo(node)
			}
		}
	}
}

func routeTo(node v1.Node) {
	_, pods, err := net.ParseCIDR(node.Spec.PodCIDR)
	if err != nil {
		return // the controller manager has given it no range yet
	}
	for _, address := range node.Status.Addresses {
		if address.Type == v1.NodeInternalIP {
			if err := netlink.RouteReplace(&netlink.Route{Dst: pods, Gw: net.ParseIP(address.Address)}); err != nil {
				klog.Errorf("route to pods of %s: %v", node.Name, err)
			}
			return
		}
	}
}

func masqueradeEgress() {
	for _, rule := range []string{
		"-N POD-EGRESS",
		"-F POD-EGRESS",
		"-A POD-EGRESS -d " + podRange + " -j RETURN",
		"-A POD-EGRESS -j MASQUERADE",
		"-D POSTROUTING -s " + podRange + " -j POD-EGRESS",
		"-A POSTROUTING -s " + podRange + " -j POD-EGRESS",
	} {
		// -N and -D fail where there is nothing to do.
		if out, err := exec.Command("iptables", append([]string{"-w", "-t", "nat"}, strings.Fields(rule)...)...).CombinedOutput(); err != nil {
			klog.Infof("iptables %s: %s", rule, out)
		}
	}
}
