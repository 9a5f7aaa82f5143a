// What the page reports of its users.
export const tracked = [];

export const analytics = {
  track(event, properties) {
    tracked.push({ event, ...properties });
  },
};
