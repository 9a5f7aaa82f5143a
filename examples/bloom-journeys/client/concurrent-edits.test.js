// The tests of BLOOM-203, against the API at BLOOM_URL.
import { describe, it } from 'node:test';
import { expect } from 'expect';
import request from 'supertest';

const app = process.env.BLOOM_URL;

async function createJourney(fields) {
  const response = await request(app)
    .post('/api/journeys')
    .send({ name: 'Concurrent edits', clientId: 'northwind-bank', stages: [], ...fields });
  expect(response.status).toBe(201);
  return response.body;
}

async function fetchJourney(id) {
  return (await request(app).get(`/api/journeys/${id}`)).body;
}

function updateJourney(id, fields) {
  return request(app).put(`/api/journeys/${id}`).send(fields);
}

// Backend: Version conflict detection
describe('Journey Update', () => {
  it('should reject update with stale version', async () => {
    const journey = await createJourney({ version: 1 });
    
    const response = await request(app)
      .put(`/api/journeys/${journey.id}`)
      .send({ name: 'Updated', version: 0 }); // stale version
      
    expect(response.status).toBe(409);
    expect(response.body.code).toBe('VERSION_CONFLICT');
  });
  
  it('should increment version on successful update', async () => {
    const journey = await createJourney({ version: 1 });
    
    const response = await request(app)
      .put(`/api/journeys/${journey.id}`)
      .send({ name: 'Updated', version: 1 });
      
    expect(response.body.version).toBe(2);
  });
});

describe('Concurrent Edit Scenarios', () => {
  it('should handle two simultaneous edits', async () => {
    const journey = await createJourney();
    
    // User A fetches journey (version 1)
    const userA = await fetchJourney(journey.id);
    
    // User B fetches journey (version 1)
    const userB = await fetchJourney(journey.id);
    
    // User A saves (succeeds, version becomes 2)
    const saveA = await updateJourney(journey.id, {
      name: 'User A Edit',
      version: userA.version
    });
    expect(saveA.status).toBe(200);
    
    // User B saves (fails with 409, version is now 2)
    const saveB = await updateJourney(journey.id, {
      name: 'User B Edit',
      version: userB.version // still 1, stale
    });
    expect(saveB.status).toBe(409);
  });
});
