//! The placer: filters, scores, indexes. A pure function of fleet, pod and epoch.
